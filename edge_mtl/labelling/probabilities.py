"""Raw segmentation logits as probabilities of every pixel of the frame."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_mtl.placement import Placement
from edge_mtl.reference import class_logits, dequantise
from edge_mtl.reference.taps import ONE, Taps, linear_taps
from edge_mtl.tasks import SegmentationTask
from edge_mtl.tensor_spec import TensorSpec


def frame_probabilities(
    task: SegmentationTask,
    tensor: TensorSpec,
    raw: NDArray[Any],
    placement: Placement,
    network_size: tuple[int, int],
    *,
    mirrored: bool = False,
) -> NDArray[np.float32]:
    """(C, H, W) float32 that add up to 1 in every pixel of the frame.

    raw: (1, C, h, w) as `tensor` describes it, over the network's whole input of `network_size`
        (width, height).
    mirrored: the network saw the frame's mirror image.

    Probabilities are blended, not logits: the head kernel asks which class wins, this how sure it
    is, and beside a sharp edge that is the mean of what both sides say.
    """
    at_cells = _softmax(dequantise(tensor, class_logits(task, tensor, raw[0])))
    width, height = placement.frame_size
    rows, columns = at_cells.shape[1:]
    down = linear_taps(height, placement.y, placement.height, network_size[1], rows)
    across = linear_taps(width, placement.x, placement.width, network_size[0], columns)
    columns_of = _blend(across, columns)
    if mirrored:
        columns_of = columns_of[::-1]
    # Two small matrix products for each class: several times faster than gathering four pixels.
    blended = (_blend(down, rows) @ at_cells) @ np.ascontiguousarray(columns_of.T)
    return np.asarray(blended, np.float32)


def winners(sums: NDArray[np.float32]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """The class with the largest value in each pixel of (C, H, W), and that value. The first of
    equal ones wins, as with `argmax`, which takes ten times as long along the first axis."""
    best = sums[0].copy()
    labels = np.zeros(best.shape, np.uint8)
    for class_id, values in enumerate(sums[1:], start=1):
        np.copyto(labels, np.uint8(class_id), where=values > best)
        np.maximum(best, values, out=best)
    return labels, best


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    powers = np.exp(logits - logits.max(0))
    result: NDArray[np.float32] = powers / powers.sum(0)
    return result


def _blend(taps: Taps, cells: int) -> NDArray[np.float32]:
    """(samples, cells): the weight of every cell in every sample."""
    matrix = np.zeros((len(taps.weight), cells), np.float32)
    samples = np.arange(len(taps.weight))
    upper = (taps.weight / ONE).astype(np.float32)
    np.add.at(matrix, (samples, taps.lower), 1.0 - upper)
    np.add.at(matrix, (samples, taps.upper), upper)
    return matrix
