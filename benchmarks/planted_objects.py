"""Raw outputs of a detection head with bins and of a pose head, of objects that are known.

An object has a best cell, at the level of its size, and duplicates that non-maximum suppression
removes: the cells around it, and one of the next level. No two objects overlap, and what is no
object is far below the threshold, so that the right answer is beyond doubt in any arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge_mtl import reference
from edge_mtl.placement import Placement
from edge_mtl.tasks import DetectionTask, PoseTask

COLUMNS, ROWS = 5, 4
OBJECTS = COLUMNS * ROWS
PEOPLE = 5

_BACKGROUND_LOGIT = -6.0
_SHARPNESS = 2.5  # of a distance's bins: their logits fall off as a parabola


class _Object(NamedTuple):
    """A box in pixels of the network's input, and its class."""

    corners: NDArray[np.float64]
    class_id: int


def planted_outputs(
    detection: DetectionTask, pose: PoseTask, placement: Placement, network_size: tuple[int, int]
) -> dict[str, NDArray[np.float32]]:
    """By name the raw outputs of both tasks: `OBJECTS` objects, `PEOPLE` of which have poses."""
    rng = np.random.default_rng(4)
    raw = {
        tensor.name: rng.normal(0.0, 0.6, tensor.shape).astype(np.float32)
        for task in (detection, pose)
        for tensor in task.tensors(*network_size)
    }
    for stride in detection.strides:
        raw[reference.level_names(detection, stride)[0]] += _BACKGROUND_LOGIT
    for planted in _objects(rng, detection, pose, placement):
        best = rng.uniform(2.0, 3.5)
        for i, (step, column, row) in enumerate(_cells_of(planted, detection.strides)):
            scores, distances = (raw[name][0] for name in reference.level_names(detection, step))
            worse = rng.uniform(0.6, 1.4) if i else 0.0
            scores[planted.class_id, row, column] = best - worse
            middle = (np.array([column, row]) + 0.5) * step
            reach = np.concatenate([middle - planted.corners[:2], planted.corners[2:] - middle])
            distances[:, row, column] = _bin_logits(reach / step, detection.bins or 1)
    return raw


def _objects(
    rng: np.random.Generator, detection: DetectionTask, pose: PoseTask, placement: Placement
) -> list[_Object]:
    """One in each field of a grid over the frame."""
    person = detection.classes.index(pose.classes[0])
    others = [i for i, name in enumerate(detection.classes) if name not in pose.classes]
    field = np.array([placement.width / COLUMNS, placement.height / ROWS])
    found = []
    for i in range(OBJECTS):
        sides = rng.uniform((28, 28), field - 14)
        corner = np.array([i % COLUMNS, i // COLUMNS]) * field + rng.uniform(5, field - sides - 5)
        corner += placement.x, placement.y
        is_person = i % (OBJECTS // PEOPLE) == 0
        class_id = person if is_person else others[i % len(others)]
        found.append(_Object(np.concatenate([corner, corner + sides]), class_id))
    return found


def _cells_of(planted: _Object, strides: Sequence[int]) -> list[tuple[int, int, int]]:
    """The stride, column and row of the cells that see an object, the best one first: at the level
    of its size the one in its middle and those around, and the one in the middle of a next level;
    only those whose own middle is inside."""
    centre = (planted.corners[:2] + planted.corners[2:]) / 2
    longest = (planted.corners[2:] - planted.corners[:2]).max()
    level = sum(bool(longest > 5 * stride) for stride in strides[:-1])
    stride, other = strides[level], strides[level - 1 if level else 1]
    column, row = (int(each // stride) for each in centre)
    cells = [(stride, column, row)]
    cells += [(stride, column + dx, row + dy) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dx or dy]
    cells.append((other, int(centre[0] // other), int(centre[1] // other)))
    middles = (np.array([[x, y] for _, x, y in cells]) + 0.5) * [[step] for step, _, _ in cells]
    inside = ((planted.corners[:2] < middles) & (middles < planted.corners[2:])).all(1)
    return [cells[i] for i in np.flatnonzero(inside)]


def _bin_logits(reach: NDArray[np.float64], bins: int) -> NDArray[np.float64]:
    """(4 * bins,): logits whose mean bin is each of four distances, given in bins."""
    away = np.arange(bins) - np.maximum(reach, 0)[:, None]
    return np.asarray(np.maximum(-_SHARPNESS * away**2, -10).ravel())
