from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_mtl.ops import FusedHead, compiled
from edge_mtl.placement import Placement
from edge_mtl.scene import Scene
from edge_mtl.spec import InputSpec, ModelSpec
from edge_mtl.tasks import ClassificationTask, DetectionTask, PoseTask, SegmentationTask
from edge_mtl.tensor_spec import TensorSpec

pytestmark = pytest.mark.skipif(compiled() is None, reason="the kernels are not compiled")

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
SIZES = [(90, 48), (60, 40), (90, 48)]
PLACEMENTS = [Placement.fit(size, SPEC.input) for size in SIZES]


def tensors(batch: int) -> list[TensorSpec]:
    return [
        TensorSpec(name=each.name, shape=(batch, *each.shape[1:]), dtype="float32")
        for each in SPEC.output_tensors
    ]


def raw(batch: int, seed: int) -> dict[str, NDArray[Any]]:
    rng = np.random.default_rng(seed)
    return {
        each.name: rng.standard_normal(each.shape).astype(np.float32) for each in tensors(batch)
    }


def look(head: FusedHead, seed: int, placements: list[Placement]) -> list[Scene]:
    return head(raw(len(PLACEMENTS), seed), placements, "frame")


def memory(scene: Scene) -> set[int]:
    """Where the masks and the boxes of a scene lie."""
    arrays = scene.masks["road"].labels, scene.detections["detection"].boxes
    return {array.__array_interface__["data"][0] for array in arrays}


def test_memory_is_given_out_again_when_nobody_holds_anything_of_it() -> None:
    head = FusedHead(SPEC, tensors(3))
    first = memory(look(head, 0, PLACEMENTS[:1])[0])
    [held] = look(head, 1, PLACEMENTS[:1])
    assert memory(held) == first
    assert memory(look(head, 2, PLACEMENTS[:1])[0]).isdisjoint(first)
    del held
    assert memory(look(head, 3, PLACEMENTS[:1])[0]) & first


@pytest.mark.parametrize("part", ["mask", "boxes", "points", "scores", "view"])
@pytest.mark.parametrize("frame", [0, 2])
def test_whoever_holds_a_part_of_a_scene_owns_it(part: str, frame: int) -> None:
    head = FusedHead(SPEC, tensors(3))
    scene = look(head, 0, PLACEMENTS)[frame]
    assert len(scene.poses["pose"]) > 0
    held = {
        "mask": scene.masks["road"].labels,
        "boxes": scene.detections["detection"].boxes,
        "points": scene.poses["pose"].points,
        "scores": scene.classifications["time"].scores,
        "view": scene.masks["road"].labels[3:5, ::2],
    }[part]
    del scene
    expected = held.copy()
    for seed in range(1, 4):
        look(head, seed, PLACEMENTS)
    np.testing.assert_array_equal(held, expected)


def test_frames_of_a_batch_share_no_mask_and_batches_of_any_cameras_share_memory() -> None:
    head = FusedHead(SPEC, tensors(3))
    known: set[int] = set()
    for seed, placements in enumerate(
        (PLACEMENTS, PLACEMENTS[::-1], PLACEMENTS[:2], PLACEMENTS[1:], PLACEMENTS[:1])
    ):
        scenes = look(head, seed, placements)
        masks = [id(scene.masks["road"].labels) for scene in scenes]
        assert len(set(masks)) == len(placements)
        assert [scene.masks["road"].labels.shape for scene in scenes] == [
            placement.frame_size[::-1] for placement in placements
        ]
        known = known or set(masks)
        assert set(masks) <= known
        del scenes


def test_frames_of_a_batch_are_as_one_at_a_time() -> None:
    alone, together = FusedHead(SPEC, tensors(1)), FusedHead(SPEC, tensors(3))
    given = raw(3, 7)
    for i, scene in enumerate(together(given, PLACEMENTS, "frame")):
        one = {name: array[i : i + 1] for name, array in given.items()}
        [expected] = alone(one, [PLACEMENTS[i]], "frame")
        assert scene.size == expected.size
        for found, wanted in (
            (scene.masks["road"].labels, expected.masks["road"].labels),
            (scene.detections["detection"].boxes, expected.detections["detection"].boxes),
            (scene.poses["pose"].points, expected.poses["pose"].points),
            (scene.classifications["time"].scores, expected.classifications["time"].scores),
        ):
            np.testing.assert_array_equal(found, wanted)
