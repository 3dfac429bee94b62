"""What each kernel moves and computes at the very least.

Counted is what the definition (`edge_mtl.reference`) asks for: every byte of frame, outputs and
results once, of values that lie apart the whole cache lines; and the arithmetic, comparisons and
selections, on elements as wide as exact results need. Not counted are loads, stores, shuffles,
conversions and addresses, nor what is computed once for a size of frame. No program reaches it.
"""

from __future__ import annotations

import numpy as np
from floors import Work
from kernel_inputs import PLACEMENT, POSES, SPEC, SURFACES, THINGS, Dtype, HeadInputs
from planted_objects import PEOPLE
from trained_logits import mixed_squares

from edge_mtl import reference

_CACHE_LINE = 64
# Operations; one each: add, subtract, multiply, compare, select, the larger of two, shift.
_LERP = 3  # two products, their sum
_EXPONENTIAL = 28  # `reference.exponential`, of which nine of ten terms count twice
_SIGMOID = _EXPONENTIAL + 2
_BIN_WEIGHT = 21  # `reference.bin_weights`, of which six of seven terms count twice
_OVERLAP = 12  # corners and sides of what two boxes share, against their areas


def preprocess_work(dtype: Dtype) -> Work:
    """Every value of the frame's rows is blended downwards in 16 bits, every pixel across in 32,
    rounded, and put on its channel's line; 8 bits are rounded and limited once more."""
    frame_width, frame_height = PLACEMENT.frame_size
    width, height = SPEC.input.size
    moved = 3 * frame_width * frame_height + 3 * width * height * np.dtype(dtype).itemsize
    down = 3 * frame_width * PLACEMENT.height * _LERP * 2
    rounding, line = 2, 2 if dtype == "float32" else 6
    across = 3 * PLACEMENT.width * PLACEMENT.height * (_LERP + rounding + line) * 4
    return Work(moved, down + across)


def mask_work(inputs: HeadInputs, mask_size: reference.MaskSize) -> Work:
    """Every logit is compared with the best so far. In squares whose corners disagree two winners
    are compared with all classes at four corners, and then blended: of 8 bits their difference, of
    float each of both."""
    first, rest = divmod(PLACEMENT.y, SURFACES.stride)
    last = -(-(PLACEMENT.y + PLACEMENT.height) // SURFACES.stride)
    # A row more on either side reaches into the frame.
    rows = slice(first - (rest == 0), last + 1)
    raw = inputs.raw[SURFACES.name][0, :, rows]
    width, height = reference.mask_extent(PLACEMENT, mask_size)
    squares = int(mixed_squares(raw.astype(np.float32)).sum())
    cell_share = SURFACES.stride**2 / (PLACEMENT.width * PLACEMENT.height)
    pixels = int(squares * cell_share * width * height)
    winners = raw.size * (2 * raw.itemsize + 1)
    contenders = squares * 2 * 4 * len(raw) * raw.itemsize
    blends = 3 if raw.itemsize == 1 else 6
    return Work(
        raw.nbytes + width * height,
        winners + contenders + pixels * (blends * _LERP + 2) * 4,
    )


def object_work(inputs: HeadInputs) -> Work:
    """Every score is compared with the best of its cell, every best with the threshold. The bins of
    each candidate are made weights and averaged; it is compared with one box.
    Keypoints are computed for people."""
    moved = computed = candidates = 0
    min_logit = reference.logit(THINGS.score_threshold)
    for stride in THINGS.strides:
        scores_name, boxes_name = reference.level_names(THINGS, stride)
        scores, boxes = inputs.raw[scores_name], inputs.raw[boxes_name]
        cells = np.flatnonzero(inputs.dequantised(scores_name).max(0) > min_logit)
        candidates += len(cells)
        lines = len(np.unique(cells * boxes.itemsize // _CACHE_LINE))
        moved += scores.nbytes + lines * boxes.shape[1] * _CACHE_LINE
        computed += (scores.size + scores[0, 0].size) * scores.itemsize
    bins = 4 * (THINGS.bins or 1)
    computed += candidates * (bins * (_BIN_WEIGHT + 4) + _OVERLAP) * 4
    keypoints = PEOPLE * len(POSES.keypoints)
    moved += 3 * keypoints * _CACHE_LINE
    computed += keypoints * (_SIGMOID * 8 + 2 * _LERP * 4)
    return Work(moved, computed)
