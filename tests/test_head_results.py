from __future__ import annotations

import numpy as np
import pytest

from edge_mtl.array_pool import ArrayPool
from edge_mtl.head_results import HeadResults
from edge_mtl.placement import Placement
from edge_mtl.spec import InputSpec, ModelSpec
from edge_mtl.tasks import ClassificationTask, DetectionTask, PoseTask, SegmentationTask

SPEC = ModelSpec(
    name="all",
    input=InputSpec(width=96, height=64),
    backbone="none",
    tasks=(
        DetectionTask(classes=("car", "person")),
        PoseTask(classes=("person",)),
        SegmentationTask(name="road", classes=("no", "yes"), stride=4),
        ClassificationTask(name="time", classes=("day", "night")),
    ),
)
PLACEMENT = Placement.fit((90, 48), SPEC.input)


def take(pool: ArrayPool[HeadResults], placement: Placement = PLACEMENT) -> HeadResults:
    return pool.take(placement, lambda: HeadResults.room(SPEC, [placement], "frame"))


def test_memory_is_given_out_again_when_nobody_holds_anything_of_it() -> None:
    pool = ArrayPool(HeadResults.arrays)
    first = take(pool)
    [scene] = first.scenes(SPEC, [PLACEMENT], [[1]], [[1]])
    first_mask = id(first.masks[0][0])
    del first
    assert id(take(pool).masks[0][0]) != first_mask
    del scene
    assert id(take(pool).masks[0][0]) == first_mask


@pytest.mark.parametrize("part", ["mask", "boxes", "points", "scores", "view"])
def test_whoever_holds_a_part_of_a_scene_owns_it(part: str) -> None:
    pool = ArrayPool(HeadResults.arrays)
    results = take(pool)
    for array in results.arrays():
        array.fill(1)
    [scene] = results.scenes(SPEC, [PLACEMENT], [[2]], [[1]])
    del results
    held = {
        "mask": scene.masks["road"].labels,
        "boxes": scene.detections["detection"].boxes,
        "points": scene.poses["pose"].points,
        "scores": scene.classifications["time"].scores,
        "view": scene.masks["road"].labels[3:5, ::2],
    }[part]
    del scene
    for _ in range(3):
        other = take(pool)
        for array in other.arrays():
            array.fill(0)
        del other, array
    np.testing.assert_array_equal(held, np.ones_like(held))


def test_another_size_has_other_memory_and_old_sizes_are_forgotten() -> None:
    pool = ArrayPool(HeadResults.arrays, most=2)
    sizes = [(90, 48), (60, 40), (64, 64), (90, 48)]
    shapes = []
    for size in sizes:
        placement = Placement.fit(size, SPEC.input)
        shapes.append(take(pool, placement).masks[0][0].shape)
    assert shapes == [(48, 90), (40, 60), (64, 64), (48, 90)]
