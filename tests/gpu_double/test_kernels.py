"""The GPU's operators where the host takes PyCUDA's place: memory is NumPy's, and a launch runs
the same kernel on the host (kernels/host_shim.h)."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_mtl import reference
from edge_mtl.errors import EdgeMtlError, UsageError
from edge_mtl.gpu import FusedHead, Preprocessor, kernel_code
from edge_mtl.gpu.context import owned_gpu
from edge_mtl.placement import Placement
from edge_mtl.spec import InputSpec, ModelSpec
from edge_mtl.tasks import ClassificationTask, DetectionTask, PoseTask, SegmentationTask
from edge_mtl.tensor_spec import TensorSpec

SPEC = ModelSpec(
    name="gpu",
    input=InputSpec(width=96, height=64),
    backbone="edgenet-n",
    tasks=(
        SegmentationTask(name="street", classes=("a", "b", "c")),
        DetectionTask(classes=("car", "person"), score_threshold=0.5, max_boxes=20),
        PoseTask(classes=("person",), keypoints=("head", "foot")),
        ClassificationTask(name="time", classes=("day", "night")),
    ),
)
PLACEMENTS = [Placement.fit((130, 70), SPEC.input), Placement.fit((40, 60), SPEC.input)]


class OnDevice:
    """An array that pretends to be in the GPU's memory."""

    def __init__(self, array: NDArray[Any]) -> None:
        self.array = array
        self.__cuda_array_interface__ = array.__array_interface__


@pytest.fixture
def owned(gpu: Any) -> Iterator[None]:
    with owned_gpu():
        yield


@pytest.fixture
def raw() -> dict[str, NDArray[Any]]:
    rng = np.random.default_rng(5)
    return {
        each.name: rng.normal(scale=2, size=(2, *each.shape[1:])).astype(np.float32)
        for each in SPEC.output_tensors
    }


TENSORS = [TensorSpec(each.name, (2, *each.shape[1:])) for each in SPEC.output_tensors]


@pytest.mark.usefixtures("owned")
def test_the_head_of_a_batch_equals_the_twins(raw: dict[str, NDArray[Any]]) -> None:
    head = FusedHead(SPEC, TENSORS, PLACEMENTS, "frame")
    for launch in range(2):  # bound twice: the outputs of some engines move
        moved = {name: np.roll(each, launch, axis=0) for name, each in raw.items()}
        head.bind({name: OnDevice(each) for name, each in moved.items()})
        head.launch(stream=None)
        for frame, (scene, placement) in enumerate(zip(head.scenes(), PLACEMENTS, strict=True)):
            alone = {name: each[frame : frame + 1] for name, each in moved.items()}
            expected = reference.fused_head(SPEC, TENSORS, alone, placement, "frame")
            np.testing.assert_array_equal(
                scene.masks["street"].labels, expected.masks["street"].labels
            )
            found = scene.detections["detection"]
            np.testing.assert_array_equal(found.boxes, expected.detections["detection"].boxes)
            assert len(found) > 3
            np.testing.assert_array_equal(scene.poses["pose"].points, expected.poses["pose"].points)
            np.testing.assert_array_equal(
                scene.classifications["time"].scores, expected.classifications["time"].scores
            )


@pytest.mark.usefixtures("owned")
def test_frames_are_staged_or_read_where_they_are() -> None:
    tensor = TensorSpec("image", (2, 3, 64, 96), "uint8", 0.02, 114)
    rng = np.random.default_rng(6)
    out = np.zeros(tensor.shape, np.uint8)
    preprocess = Preprocessor(SPEC.input, tensor, PLACEMENTS, OnDevice(out))

    def frames() -> list[NDArray[np.uint8]]:
        sizes = [placement.frame_size for placement in PLACEMENTS]
        return [rng.integers(0, 256, (h, w, 3), dtype=np.uint8) for w, h in sizes]

    for on_device in (False, True, False):
        now = frames()
        if on_device:
            preprocess.bind([OnDevice(frame) for frame in now])
        else:
            preprocess.stage(now)
        preprocess.launch(stream=None)
        for found, frame, placement in zip(out, now, PLACEMENTS, strict=True):
            expected = reference.preprocess(frame, placement, SPEC.input, tensor)
            np.testing.assert_array_equal(found[None], expected)
    with pytest.raises(UsageError, match=r"shapes \[\(70, 130, 3\), .* found \[\(1, 2, 3\)\]"):
        preprocess.stage([np.zeros((1, 2, 3), np.uint8)])
    with pytest.raises(UsageError, match="expected 2 frames, found 1"):
        preprocess.bind([OnDevice(frame) for frame in now[:1]])


@pytest.mark.usefixtures("owned")
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (np.zeros((2, 3, 16, 24), np.float32), "GPU's memory.*found ndarray"),
        (OnDevice(np.zeros((2, 3, 16, 24), np.float64)), "dtype float32, found float64"),
        (OnDevice(np.zeros((1, 3, 16, 24), np.float32)), r"\(2, 3, 16, 24\), found \(1, 3"),
        (OnDevice(np.zeros((2, 16, 24, 3), np.float32).transpose(0, 3, 1, 2)), "C-contiguous"),
    ],
)
def test_what_is_no_raw_output_is_refused(
    raw: dict[str, NDArray[Any]], wrong: Any, message: str
) -> None:
    head = FusedHead(SPEC, TENSORS, PLACEMENTS, "frame")
    arrays = {name: OnDevice(each) for name, each in raw.items()} | {"street": wrong}
    with pytest.raises(UsageError, match=f"street must .*{message}"):
        head.bind(arrays)


def test_a_refused_binary_is_replaced_by_the_compiled_source(
    owned: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = sys.modules["pycuda.driver"]

    def refuse(path: str) -> None:
        raise driver.Error("no kernel image")

    sources = []

    def compile_(source: str, **options: Any) -> bytes:
        sources.append(source)
        return b"cubin"

    monkeypatch.setattr(driver, "module_from_file", refuse)
    monkeypatch.setattr(sys.modules["pycuda.compiler"], "compile", compile_, raising=False)
    assert callable(kernel_code.load_kernel("preprocess"))
    assert sources == ["source of preprocess"]

    def fail(source: str, **options: Any) -> bytes:
        raise OSError("nvcc: no such file")

    monkeypatch.setattr(sys.modules["pycuda.compiler"], "compile", fail)
    message = r"for Board of compute capability 8.7: .*no kernel image;.*nvcc: no such file\. Inst"
    with pytest.raises(EdgeMtlError, match=message):
        kernel_code.load_kernel("preprocess")
