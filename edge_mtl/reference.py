"""The NumPy twins of the kernels: what `ops` computes, written as the specification.

The compiled kernels give the same results bit for bit (scores to 1e-6), and the twins stand in for
them where they are not built. What makes that possible:

- Positions between samples are whole numbers of 1/2048, computed from whole numbers.
- Pixels are blended in integers and normalised through a table of 256 values.
- Logits are blended in int32 or, in one order of operations, in float32. The weights stay whole
  numbers: their scale is the same for every class and does not change which one wins.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge_mtl.placement import Placement
from edge_mtl.scene import Detections, Mask
from edge_mtl.spec import DetectionTask, InputSpec, ModelSpec, TensorSpec

MaskSize = Literal["frame", "network"]

FRACTION_BITS = 11
ONE = 1 << FRACTION_BITS

LOGIT_LIMIT = 1e30
"""Logits are clipped to +-this before they are blended: an infinite one, or one that is not a
number (it counts as the lowest), then never turns its neighbours into NaN."""

MIN_CANDIDATES = 1000
"""Non-maximum suppression looks at this many best cells, or at `max_boxes` if that is more."""


class Taps(NamedTuple):
    """Sample i lies `weight[i] / ONE` of the way from sample `lower[i]` to `upper[i]`."""

    lower: NDArray[np.int64]
    upper: NDArray[np.int64]
    weight: NDArray[np.int64]


def linear_taps(count: int, start: int, extent: int, whole: int, cells: int) -> Taps:
    """Where `count` even samples of one axis fall in a grid of `cells`.

    The samples fill [start, start + extent) of an axis of length `whole`; the grid fills all of
    it. Every sample and cell stands for its own centre; beyond the outermost centres the edge
    goes on.
    """
    odd = 2 * np.arange(count, dtype=np.int64) + 1
    numerator = (2 * start * count + odd * extent) * cells - count * whole
    denominator = 2 * count * whole
    position = (2 * ONE * numerator + denominator) // (2 * denominator)  # to the nearest 1 / ONE
    position = position.clip(0, (cells - 1) * ONE)
    lower = position // ONE
    return Taps(lower, np.minimum(lower + 1, cells - 1), position % ONE)


def pixel_table(network_input: InputSpec, tensor: TensorSpec) -> NDArray[Any]:
    """(3, 256) in the tensor's dtype: what the engine gets for every 8-bit value of R, G and B.

    For 8-bit tensors as ONNX's QuantizeLinear does it: in float32, halves to even, saturated.
    """
    table = network_input.normalization()
    if tensor.dtype == "float32":
        return table
    limits = np.iinfo(tensor.dtype)
    steps = np.rint(table / np.float32(tensor.scale)) + tensor.zero_point
    quantised: NDArray[Any] = steps.clip(limits.min, limits.max).astype(tensor.dtype)
    return quantised


def preprocess(
    frame: NDArray[np.uint8],
    placement: Placement,
    network_input: InputSpec,
    tensor: TensorSpec,
) -> NDArray[Any]:
    """Turn a camera frame into the engine's input.

    frame: (H, W, 3) uint8 BGR. Returns (1, 3, height, width) in the tensor's dtype, planar RGB,
    `network_input.pad` outside the placement's rectangle.

    Bilinear at any scale: shrinking by more than two skips pixels, as OpenCV's INTER_LINEAR does.
    """
    frame_height, frame_width = frame.shape[:2]
    rows = linear_taps(placement.height, 0, 1, 1, frame_height)
    columns = linear_taps(placement.width, 0, 1, 1, frame_width)
    blended = _blend(_blend(frame.astype(np.int64), rows, 0), columns, 1)
    pixels = (blended + ONE * ONE // 2) // (ONE * ONE)

    canvas = np.full((3, network_input.height, network_input.width), network_input.pad, np.uint8)
    y, x = placement.y, placement.x
    rgb = pixels[:, :, ::-1].transpose(2, 0, 1)
    canvas[:, y : y + placement.height, x : x + placement.width] = rgb
    table = pixel_table(network_input, tensor)
    return np.stack([table[c][canvas[c]] for c in range(3)])[None]


def fused_head(
    spec: ModelSpec,
    tensors: Sequence[TensorSpec],
    raw: Mapping[str, NDArray[Any]],
    placement: Placement,
    mask_size: MaskSize,
) -> tuple[dict[str, Detections], dict[str, Mask]]:
    """Turn an engine's raw outputs into the results of every task of `spec`.

    raw: by tensor name, (1, C, H, W) arrays as `tensors` describes them. Boxes are in pixels of
    the frame; masks have the frame's size, or that of the placement's rectangle ("network").
    """
    by_name = {tensor.name: tensor for tensor in tensors}
    size = mask_extent(placement, mask_size)
    masks = {
        task.name: Mask(task.classes, segment(raw[task.name][0], placement, spec.input.size, size))
        for task in spec.segmentations
    }
    detections = {task.name: detect(task, by_name, raw, placement) for task in spec.detections}
    return detections, masks


def mask_extent(placement: Placement, mask_size: MaskSize) -> tuple[int, int]:
    """(width, height) of the masks: the frame's, or that of its rectangle in the input."""
    return placement.frame_size if mask_size == "frame" else (placement.width, placement.height)


def level_names(task: DetectionTask, stride: int) -> tuple[str, str]:
    """The names of the score and box tensors of one level."""
    return f"{task.name}_scores_{stride}", f"{task.name}_boxes_{stride}"


def segment(
    logits: NDArray[Any],
    placement: Placement,
    network_size: tuple[int, int],
    mask_size: tuple[int, int],
) -> NDArray[np.uint8]:
    """The winning class of every pixel: logits blended bilinearly, then their argmax.

    logits: (C, h, w) float32, uint8 or int8 over the whole network input. The mask, (H, W) uint8
    for `mask_size` (W, H), covers the placement's rectangle. The first of equal classes wins.
    Where one class wins at all four logits around a pixel it wins in between too, and nothing is
    computed: no rounding can then decide otherwise.
    """
    rows = linear_taps(
        mask_size[1], placement.y, placement.height, network_size[1], logits.shape[1]
    )
    columns = linear_taps(
        mask_size[0], placement.x, placement.width, network_size[0], logits.shape[2]
    )
    if logits.dtype == np.float32:
        ordered = np.where(np.isnan(logits), np.float32(-np.inf), logits)
        values = ordered.clip(-LOGIT_LIMIT, LOGIT_LIMIT)
    else:
        ordered = values = logits.astype(np.int32)

    winners = ordered.argmax(0)
    corners = [winners[y][:, x] for y in (rows.lower, rows.upper) for x in columns[:2]]
    agreed = np.all([corner == corners[0] for corner in corners], axis=0)
    blended = _blend(_blend(values, rows, 1), columns, 2).argmax(0)
    labels: NDArray[np.uint8] = np.where(agreed, corners[0], blended).astype(np.uint8)
    return labels


def detect(
    task: DetectionTask,
    tensors: Mapping[str, TensorSpec],
    raw: Mapping[str, NDArray[Any]],
    placement: Placement,
) -> Detections:
    """The boxes of one detection task, in pixels of the frame, best score first.

    A cell is a candidate if its best class has a score above `task.score_threshold`. Candidates
    are ordered by logit, equal ones by level and cell; the best of them (`MIN_CANDIDATES`) are
    decoded, clipped to the frame and dropped if not finite or empty; then a box is suppressed by
    a better one of its own class with an IoU above `task.iou_threshold`.
    """
    levels = [_decode_level(task, stride, tensors, raw, placement) for stride in task.strides]
    logits, class_ids, boxes = (np.concatenate(parts) for parts in zip(*levels, strict=True))

    order = np.argsort(-logits, kind="stable")
    order = order[logits[order] > logit(task.score_threshold)]
    order = order[: max(MIN_CANDIDATES, task.max_boxes)]
    finite = np.isfinite(boxes[order]).all(1)
    width, height = placement.frame_size
    boxes = np.clip(boxes, 0, np.array([width, height, width, height], np.float32))
    solid = (boxes[order, 2] > boxes[order, 0]) & (boxes[order, 3] > boxes[order, 1])
    order = order[finite & solid]

    kept = order[_suppress(boxes[order], class_ids[order], task.iou_threshold, task.max_boxes)]
    return Detections(
        task.classes, boxes[kept], sigmoid(logits[kept]), class_ids[kept].astype(np.int32)
    )


def logit(score: float) -> float:
    """The logit of a score in [0, 1], infinite at its ends, as float32 can hold it."""
    if score in (0.0, 1.0):
        return math.inf if score else -math.inf
    return float(np.float32(math.log(score / (1.0 - score))))


def sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        scores = 1.0 / (1.0 + np.exp(-logits.astype(np.float64)))
    return np.asarray(scores, np.float32)


def dequantise(tensor: TensorSpec, values: NDArray[Any]) -> NDArray[np.float32]:
    """`scale * (value - zero_point)` in float32; float tensors as they are."""
    if tensor.dtype == "float32":
        return values.astype(np.float32, copy=False)
    centred = (values.astype(np.int32) - tensor.zero_point).astype(np.float32)
    return np.asarray(np.float32(tensor.scale) * centred)


def _blend(values: NDArray[Any], taps: Taps, axis: int) -> NDArray[Any]:
    """Blend neighbours along `axis`: `ONE` times the linear interpolation."""
    shape = [1] * values.ndim
    shape[axis] = -1
    weight = taps.weight.reshape(shape).astype(values.dtype)
    lower, upper = values.take(taps.lower, axis), values.take(taps.upper, axis)
    blended: NDArray[Any] = lower * (values.dtype.type(ONE) - weight) + upper * weight
    return blended


def _decode_level(
    task: DetectionTask,
    stride: int,
    tensors: Mapping[str, TensorSpec],
    raw: Mapping[str, NDArray[Any]],
    placement: Placement,
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]]:
    """Every cell's best logit (N,), its class (N,), and its box (N, 4) in pixels of the frame."""
    scores_name, boxes_name = level_names(task, stride)
    scores = dequantise(tensors[scores_name], raw[scores_name][0])
    scores = np.where(np.isnan(scores), np.float32(-np.inf), scores)
    left, top, right, bottom = dequantise(tensors[boxes_name], raw[boxes_name][0])

    half = np.float32(0.5)
    cells_y, cells_x = scores.shape[1:]
    centre_x = ((np.arange(cells_x, dtype=np.float32) + half) * np.float32(stride))[None, :]
    centre_y = ((np.arange(cells_y, dtype=np.float32) + half) * np.float32(stride))[:, None]
    per_pixel_x, per_pixel_y = (np.float32(ratio) for ratio in placement.frame_per_pixel)
    x, y = np.float32(placement.x), np.float32(placement.y)
    with np.errstate(over="ignore", invalid="ignore"):
        reach = [np.maximum(side, 0) * np.float32(stride) for side in (left, top, right, bottom)]
        sides = [
            (centre_x - reach[0] - x) * per_pixel_x,
            (centre_y - reach[1] - y) * per_pixel_y,
            (centre_x + reach[2] - x) * per_pixel_x,
            (centre_y + reach[3] - y) * per_pixel_y,
        ]
    boxes = np.stack(sides, axis=-1).reshape(-1, 4)
    return scores.max(0).ravel(), scores.argmax(0).ravel(), boxes


def _suppress(
    boxes: NDArray[np.float32], class_ids: NDArray[np.int64], iou_threshold: float, max_boxes: int
) -> list[int]:
    """Greedy non-maximum suppression within each class; boxes come best first."""
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    threshold = np.float32(iou_threshold)
    kept: list[int] = []
    for i in range(len(boxes)):
        if len(kept) == max_boxes:
            break
        rivals = [k for k in kept if class_ids[k] == class_ids[i]]
        corner = np.maximum(boxes[rivals, :2], boxes[i, :2])
        opposite = np.minimum(boxes[rivals, 2:], boxes[i, 2:])
        overlap = np.maximum(opposite - corner, 0).prod(1)
        union = area[rivals] + area[i] - overlap
        if not (overlap > threshold * union).any():
            kept.append(i)
    return kept
