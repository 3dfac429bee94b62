"""The kernels on a GPU against the NumPy twins, launched by PyCUDA on tensors of PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_mtl import reference
from edge_mtl.placement import Placement
from edge_mtl.reference import MaskSize
from edge_mtl.scene import Scene
from edge_mtl.spec import InputSpec, ModelSpec
from edge_mtl.tasks import ClassificationTask, DetectionTask, PoseTask, SegmentationTask
from edge_mtl.tensor_spec import TensorSpec

torch = pytest.importorskip("torch", reason="torch holds the tensors on the GPU")
driver = pytest.importorskip("pycuda.driver", reason="PyCUDA, of the extra gpu, launches them")
if not torch.cuda.is_available():
    pytest.skip("torch finds no NVIDIA GPU on this machine", allow_module_level=True)

from edge_mtl.gpu import FusedHead, Preprocessor  # noqa: E402

SPEC = ModelSpec(
    name="gpu",
    input=InputSpec(width=640, height=384),
    backbone="edgenet-n",
    tasks=(
        SegmentationTask(name="street", classes=tuple("abcdefghijkl")),
        SegmentationTask(name="lanes", classes=("no", "yes"), stride=2, binary=True),
        DetectionTask(classes=("car", "person"), score_threshold=0.3, max_boxes=100),
        DetectionTask(name="signs", classes=("x",), strides=(8,), bins=16, score_threshold=0.9),
        PoseTask(classes=("person",)),
        ClassificationTask(name="time", classes=("day", "dusk", "night")),
        ClassificationTask(name="present", classes=("p", "q"), multi_label=True),
    ),
)
SIZES = [(1280, 720), (640, 480), (1920, 1080)]
PLACEMENTS = [Placement.fit(size, SPEC.input) for size in SIZES]
Dtype = Literal["float32", "uint8", "int8"]


@pytest.fixture
def stream() -> Iterator[Any]:
    driver.init()
    context = driver.Device(0).retain_primary_context()
    context.push()
    yield driver.Stream()
    driver.Context.pop()


def outputs(dtype: Dtype) -> tuple[list[TensorSpec], dict[str, NDArray[Any]]]:
    rng = np.random.default_rng(7)
    tensors, raw = [], {}
    for each in SPEC.output_tensors:
        shape = (len(SIZES), *each.shape[1:])
        values = rng.normal(scale=2, size=shape)
        if dtype != "float32":
            limits = np.iinfo(dtype)
            values = (values / 0.05 + 9).round().clip(limits.min, limits.max)
        elif each.shape[2] > 1:
            values[rng.random(shape) < 0.01] = np.nan
        raw[each.name] = values.astype(dtype)
        tensors.append(TensorSpec(each.name, shape, dtype, 0.05, 9))
    return tensors, raw


@pytest.mark.parametrize("mask_size", ["frame", "network"])
@pytest.mark.parametrize("dtype", ["float32", "uint8", "int8"])
def test_the_head_equals_the_twins_bit_by_bit(
    stream: Any, dtype: Dtype, mask_size: MaskSize, assert_same: Callable[[Scene, Scene], None]
) -> None:
    tensors, raw = outputs(dtype)
    head = FusedHead(SPEC, tensors, PLACEMENTS, mask_size)
    on_gpu = {name: torch.from_numpy(each).cuda() for name, each in raw.items()}
    torch.cuda.synchronize()
    head.bind(on_gpu)
    for _ in range(3):  # a launch leaves its counters as it found them
        head.launch(stream)
    stream.synchronize()
    for frame, (scene, placement) in enumerate(zip(head.scenes(), PLACEMENTS, strict=True)):
        alone = {name: each[frame : frame + 1] for name, each in raw.items()}
        assert_same(scene, reference.fused_head(SPEC, tensors, alone, placement, mask_size))


@pytest.mark.parametrize("dtype", ["float32", "uint8", "int8"])
@pytest.mark.parametrize("on_gpu", [False, True], ids=["staged", "in the GPU's memory"])
def test_preprocess_equals_the_twin_bit_by_bit(stream: Any, dtype: Dtype, on_gpu: bool) -> None:
    tensor = TensorSpec("image", (len(SIZES), 3, 384, 640), dtype, 0.02, 5)
    out = torch.zeros(tensor.shape, dtype=getattr(torch, dtype), device="cuda")
    rng = np.random.default_rng(8)
    frames = [rng.integers(0, 256, (h, w, 3), dtype=np.uint8) for w, h in SIZES]
    torch.cuda.synchronize()
    preprocess = Preprocessor(SPEC.input, tensor, PLACEMENTS, out)
    if on_gpu:
        there = [torch.from_numpy(frame).cuda() for frame in frames]
        preprocess.bind(there)
    else:
        preprocess.stage(frames)
    preprocess.launch(stream)
    stream.synchronize()
    for found, frame, placement in zip(out.cpu().numpy(), frames, PLACEMENTS, strict=True):
        expected = reference.preprocess(frame, placement, SPEC.input, tensor)
        np.testing.assert_array_equal(found[None], expected)


def test_a_cuda_graph_holds_both_launches(
    stream: Any, assert_same: Callable[[Scene, Scene], None]
) -> None:
    """Preprocessing and the head, captured once and replayed with new frames and new outputs."""
    tensor = TensorSpec("image", (len(SIZES), 3, 384, 640), "uint8", 0.02, 5)
    tensors, raw = outputs("uint8")
    out = torch.zeros(tensor.shape, dtype=torch.uint8, device="cuda")
    on_gpu = {name: torch.zeros_like(torch.from_numpy(each)).cuda() for name, each in raw.items()}
    torch.cuda.synchronize()
    preprocess = Preprocessor(SPEC.input, tensor, PLACEMENTS, out)
    head = FusedHead(SPEC, tensors, PLACEMENTS, "frame")
    head.bind(on_gpu)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=torch.cuda.ExternalStream(stream.handle)):
        preprocess.launch(stream)
        head.launch(stream)
    rng = np.random.default_rng(9)
    for name, each in raw.items():
        on_gpu[name].copy_(torch.from_numpy(each))
    for _ in range(2):
        frames = [rng.integers(0, 256, (h, w, 3), dtype=np.uint8) for w, h in SIZES]
        preprocess.stage(frames)
        graph.replay()
        torch.cuda.synchronize()
        for found, frame, placement in zip(out.cpu().numpy(), frames, PLACEMENTS, strict=True):
            expected = reference.preprocess(frame, placement, SPEC.input, tensor)
            np.testing.assert_array_equal(found[None], expected)
        for i, (scene, placement) in enumerate(zip(head.scenes(), PLACEMENTS, strict=True)):
            alone = {name: each[i : i + 1] for name, each in raw.items()}
            assert_same(scene, reference.fused_head(SPEC, tensors, alone, placement, "frame"))
