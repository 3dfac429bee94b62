"""Raw logits to a class per pixel."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_mtl.placement import Placement
from edge_mtl.reference.scores import bounded_logits
from edge_mtl.reference.taps import blend, linear_taps
from edge_mtl.tasks import SegmentationTask
from edge_mtl.tensor_spec import TensorSpec


def class_logits(task: SegmentationTask, tensor: TensorSpec, logits: NDArray[Any]) -> NDArray[Any]:
    """(C, h, w) logits for every class, from the (C, h, w), or (1, h, w) if binary, of `tensor`.

    The first class of a binary task has what stands for a logit of zero in every cell.
    """
    if not task.binary:
        return logits
    zero = tensor.zero_point if tensor.quantised else 0
    return np.concatenate([np.full_like(logits, zero), logits])


def segment(
    logits: NDArray[Any],
    placement: Placement,
    network_size: tuple[int, int],
    mask_size: tuple[int, int],
) -> NDArray[np.uint8]:
    """The winning class of every pixel: logits blended bilinearly, then their argmax.

    logits: (C, h, w), float or 8-bit, over the whole network input. The mask, (H, W) uint8 for
    `mask_size` (W, H), covers the placement's rectangle. The first of equal classes wins.
    Where one class wins at all four logits around a pixel it wins in between too, and nothing is
    computed: no rounding can then decide otherwise.
    """
    rows = linear_taps(
        mask_size[1], placement.y, placement.height, network_size[1], logits.shape[1]
    )
    columns = linear_taps(
        mask_size[0], placement.x, placement.width, network_size[0], logits.shape[2]
    )
    if np.issubdtype(logits.dtype, np.floating):
        floats = logits.astype(np.float32, copy=False)
        ordered = np.where(np.isnan(floats), np.float32(-np.inf), floats)
        values = bounded_logits(floats)
    else:
        ordered = values = logits.astype(np.int32)

    winners = ordered.argmax(0)
    corners = [winners[y][:, x] for y in (rows.lower, rows.upper) for x in columns[:2]]
    agreed = np.all([corner == corners[0] for corner in corners], axis=0)
    blended = blend(blend(values, rows, 1), columns, 2).argmax(0)
    labels: NDArray[np.uint8] = np.where(agreed, corners[0], blended).astype(np.uint8)
    return labels
