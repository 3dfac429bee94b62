"""Frames through an engine on the GPU at hand: the whole way, as `edge-mtl run` goes it.

The engine is built here, by TensorRT or TensorRT-RTX, whichever is installed and accepts the GPU;
both are tested where both do.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from edge_mtl.bundle import Bundle
from edge_mtl.errors import EdgeMtlError
from edge_mtl.machine import gpus
from edge_mtl.runtime.engines import ENGINES, open_engine
from edge_mtl.runtime.pipeline import Pipeline
from edge_mtl.scene import Scene

driver = pytest.importorskip(
    "pycuda.driver",
    reason="PyCUDA, of the extra gpu, or the NVIDIA driver is missing",
    exc_type=ImportError,
)
if not gpus():
    pytest.skip("no NVIDIA GPU on this machine", allow_module_level=True)

from edge_mtl.gpu.context import owned_gpu  # noqa: E402
from edge_mtl.gpu.cuda_graph import NON_BLOCKING, CudaGraph, GraphError  # noqa: E402
from edge_mtl.gpu.pinned_array import PinnedArray  # noqa: E402

Same = Callable[[Scene, Scene], None]
SIZES = [(720, 1280), (480, 640), (123, 77)]


def noise(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@pytest.fixture(scope="module", params=[name for name, each in ENGINES.items() if each.built])
def name(request: pytest.FixtureRequest) -> str:
    pytest.importorskip(ENGINES[request.param].module, reason="this module is not installed")
    chosen: str = request.param
    return chosen


@pytest.fixture(scope="module")
def bundle(name: str, tiny_bundle: Bundle) -> Bundle:
    """The tiny bundle with an engine in float32, built here for this GPU."""
    builder = pytest.importorskip("edge_mtl.export.tensorrt_builder", reason="no extra export")
    request = builder.EngineRequest(ENGINES[name].module, half=False)
    try:
        plan, engine_file = builder.build_engine(tiny_bundle.network, request)
    except builder.BuildError as error:
        pytest.skip(f"{name} builds nothing for this GPU: {error}")
    manifest = msgspec.structs.replace(tiny_bundle.manifest, engines={"here.engine": engine_file})
    return Bundle(tiny_bundle.path, manifest, {**tiny_bundle.files, "here.engine": plan})


def free_bytes() -> int:
    with owned_gpu():
        free: int = driver.mem_get_info()[0]
        return free


def test_raw_outputs_are_those_of_onnx_runtime(name: str, bundle: Bundle) -> None:
    pytest.importorskip("onnxruntime", reason="ONNX Runtime is the measure")
    image = np.random.default_rng(1).standard_normal((1, 3, 64, 96)).astype(np.float32)
    raw = []
    for engine in (open_engine("onnxruntime", bundle, 1), open_engine(name, bundle)):
        engine.image[...] = image
        engine.infer()
        raw.append({key: array.copy() for key, array in engine.outputs.items()})
        engine.close()
    for key, expected in raw[0].items():
        # TF32 keeps 10 bits of what it multiplies; a sum of 3 * 32 * 32 of them loses few more.
        bound = 4e-3 * float(np.abs(expected).max())
        np.testing.assert_allclose(raw[1][key], expected, atol=bound)


def test_scenes_are_what_the_processor_makes_of_the_same_raw_outputs(
    name: str, bundle: Bundle, assert_same: Same
) -> None:
    """Bit by bit: preprocessing and head on the GPU, in one graph with the engine, against those
    on the processor around the same engine."""
    with (
        Pipeline.from_bundle(bundle, name) as pipe,
        Pipeline(bundle.spec, open_engine(name, bundle), raw_on_host=True) as host,
    ):
        for seed in range(2):
            for size in SIZES:
                frame = noise(*size, seed)
                scene = pipe(frame)
                assert len(scene.detections["detection"]) > 0
                assert_same(scene, host(frame))


def test_the_graph_does_what_the_calls_do(
    name: str,
    bundle: Bundle,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    assert_same: Same,
) -> None:
    frames = [noise(*SIZES[0], seed) for seed in range(5)]
    with Pipeline.from_bundle(bundle, name) as pipe:
        in_graph = [pipe(frame) for frame in frames]
    assert "no CUDA graph" not in caplog.text, "the engine cannot be captured on this GPU"

    def refuse(*arguments: object) -> None:
        raise GraphError("no CUDA graph can be made: this test does not want one")

    monkeypatch.setattr("edge_mtl.runtime.gpu_stages.CudaGraph", refuse)
    with (
        caplog.at_level(logging.WARNING),
        Pipeline.from_bundle(bundle, name) as pipe,
    ):
        for frame, expected in zip(frames, in_graph, strict=True):
            assert_same(pipe(frame), expected)
    assert caplog.text.count("this test does not want one") == 1


def test_a_thousand_frames_take_no_more_memory(name: str, bundle: Bundle) -> None:
    frames = [noise(*SIZES[1], seed) for seed in range(4)]
    with Pipeline.from_bundle(bundle, name) as pipe:
        for frame in frames:
            pipe(frame)
        before = free_bytes()
        for index in range(1000):
            scene = pipe(frames[index % len(frames)])
        # Other programs may share the GPU: what leaks in every frame adds up to more than this.
        assert before - free_bytes() < 4 << 20
    assert sum(scene.stages_ms.values()) > 0
    assert all(each > 0 for each in scene.stages_ms.values())


def test_frame_sizes_that_change_take_no_more_memory(
    name: str, bundle: Bundle, assert_same: Same
) -> None:
    with Pipeline.from_bundle(bundle, name) as pipe:
        first = [pipe(noise(*size)) for size in SIZES]
        before = free_bytes()
        for _ in range(20):
            for size, expected in zip(SIZES, first, strict=True):
                assert_same(pipe(noise(*size)), expected)
        assert before - free_bytes() < 16 << 20


def test_pipelines_that_come_and_go_leave_nothing(name: str, bundle: Bundle) -> None:
    def once() -> None:
        with Pipeline.from_bundle(bundle, name) as pipe:
            pipe(noise(*SIZES[1]))
        pipe.close()

    for _ in range(2):  # what libraries keep for themselves
        once()
    before = free_bytes()
    for _ in range(10):
        once()
    assert before - free_bytes() < 32 << 20


def test_two_pipelines_in_two_threads(name: str, bundle: Bundle, assert_same: Same) -> None:
    frames = [noise(*size, seed) for seed in range(5) for size in SIZES[:2]]
    with Pipeline.from_bundle(bundle, name) as pipe:
        expected = [pipe(frame) for frame in frames]
    found: dict[int, list[Scene] | EdgeMtlError] = {}

    def work(number: int) -> None:
        try:
            with Pipeline.from_bundle(bundle, name) as pipe:
                found[number] = [pipe(frame) for frame in frames]
        except EdgeMtlError as error:
            found[number] = error

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    for number in range(2):
        scenes = found[number]
        assert isinstance(scenes, list), scenes
        for scene, each in zip(scenes, expected, strict=True):
            assert_same(scene, each)


def test_a_pipeline_is_closed_in_another_thread(name: str, bundle: Bundle) -> None:
    pipe = Pipeline.from_bundle(bundle, name)
    pipe(noise(*SIZES[1]))
    thread = threading.Thread(target=pipe.close)
    thread.start()
    thread.join(60)
    with pytest.raises(driver.Error):  # no context is left on this thread's stack
        driver.mem_alloc(1)


def test_an_engine_of_another_gpu_is_refused_before_it_is_loaded(name: str, bundle: Bundle) -> None:
    engines = {
        key: msgspec.structs.replace(each, compute_capabilities=("99.0",), hardware="same")
        for key, each in bundle.manifest.engines.items()
    }
    manifest = msgspec.structs.replace(bundle.manifest, engines=engines)
    with pytest.raises(EdgeMtlError, match=r"capability 99\.0, found .*export --rebuild"):
        open_engine(name, Bundle(bundle.path, manifest, bundle.files))


def test_a_truncated_engine_is_refused_with_a_reason(name: str, bundle: Bundle) -> None:
    files = {**bundle.files, "here.engine": bundle.files["here.engine"][:-1000]}
    with pytest.raises(EdgeMtlError, match=r"cannot load here\.engine \(.+\); build it again"):
        open_engine(name, Bundle(bundle.path, bundle.manifest, files))


def test_what_allocates_is_not_captured_and_the_stream_goes_on() -> None:
    with owned_gpu():
        stream = driver.Stream(NON_BLOCKING)
        with pytest.raises(GraphError, match="no CUDA graph can be made"):
            CudaGraph(stream.handle, lambda: driver.mem_alloc(1 << 20).free())
        array = PinnedArray((4,), "uint8")
        array.host.fill(9)
        array.to_gpu(stream)
        stream.synchronize()
        array.host.fill(0)
        array.to_host(stream)
        stream.synchronize()
        assert (array.host == 9).all()
