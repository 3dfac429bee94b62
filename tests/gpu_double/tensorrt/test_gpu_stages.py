"""A pipeline whose frames stay on the GPU, against the one on the processor."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_mtl.bundle import Bundle
from edge_mtl.errors import EdgeMtlError
from edge_mtl.runtime.engines.trt import TensorRtEngine
from edge_mtl.runtime.host_stages import HostStages
from edge_mtl.runtime.pipeline import Pipeline
from edge_mtl.runtime.sources import Frame
from edge_mtl.scene import Scene

AsBuilt = Callable[..., Bundle]
Same = Callable[[Scene, Scene], None]

pytestmark = pytest.mark.usefixtures("trt")


def noise(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@pytest.fixture
def bundle(tiny_bundle: Bundle, as_built: AsBuilt) -> Bundle:
    return as_built(tiny_bundle)


@pytest.mark.parametrize("integrated", [False, True], ids=["own memory", "shared memory"])
@pytest.mark.parametrize("mask_size", ["frame", "network"])
def test_scenes_are_those_of_the_processor(
    gpu: Any,
    bundle: Bundle,
    mask_size: Literal["frame", "network"],
    integrated: bool,
    assert_same: Same,
) -> None:
    gpu.integrated = integrated
    sizes = [(48, 90), (48, 90), (123, 77), (48, 90)]
    with (
        Pipeline.from_bundle(bundle, "onnxruntime", 1, mask_size) as host,
        Pipeline.from_bundle(bundle, "tensorrt", 1, mask_size) as pipe,
    ):
        for seed, size in enumerate(sizes):
            frame = noise(*size, seed)
            scene = pipe(frame, frame_index=5, captured_ns=7)
            assert (scene.size, scene.frame_index, scene.captured_ns) == (size[::-1], 5, 7)
            assert len(scene.detections["detection"]) > 0
            assert_same(scene, host(frame))


def test_a_frame_is_one_launch_of_one_graph(gpu: Any, bundle: Bundle) -> None:
    with Pipeline.from_bundle(bundle, "tensorrt") as pipe:
        pipe(noise(48, 90))
        before = gpu.allocations
        gpu.calls.clear()
        pipe(noise(48, 90, 1))
        assert gpu.calls == [
            *("graph", "mark", "to GPU", "preprocess", "mark", "engine", "mark"),
            *("fused_head", "to host", "mark"),
        ]
        assert gpu.allocations == before


def test_on_shared_memory_no_frame_is_copied_to_the_gpu(gpu: Any, bundle: Bundle) -> None:
    gpu.integrated = True
    with Pipeline.from_bundle(bundle, "tensorrt") as pipe:
        gpu.calls.clear()
        pipe(noise(48, 90))
    assert "preprocess" in gpu.calls
    assert "to GPU" not in gpu.calls


def test_a_new_frame_size_takes_the_place_of_the_last(gpu: Any, bundle: Bundle) -> None:
    with Pipeline.from_bundle(bundle, "tensorrt") as pipe:
        held = set()
        for _ in range(3):
            for size in ((48, 90), (200, 100)):
                pipe(noise(*size))
                held.add((size, gpu.live_bytes))
        assert len(held) == 2
    assert gpu.live_bytes == 0


@pytest.mark.parametrize("call", ["cuStreamBeginCapture_v2", "cuGraphInstantiateWithFlags"])
def test_without_a_graph_the_same_calls_are_made_and_that_is_said_once(
    gpu: Any,
    bundle: Bundle,
    call: str,
    caplog: pytest.LogCaptureFixture,
    assert_same: Same,
) -> None:
    with Pipeline.from_bundle(bundle, "tensorrt") as pipe:
        expected = pipe(noise(48, 90))
    gpu.refuses = call
    with Pipeline.from_bundle(bundle, "tensorrt") as pipe:
        pipe(noise(64, 64))
        gpu.calls.clear()
        assert_same(pipe(noise(48, 90)), expected)
        assert "graph" not in gpu.calls
    [said] = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert call in said.getMessage()
    assert said.getMessage().endswith("every frame is launched call by call")


def test_an_engine_that_allocates_in_every_run_is_launched_call_by_call(
    gpu: Any, trt: Any, bundle: Bundle, monkeypatch: pytest.MonkeyPatch, assert_same: Same
) -> None:
    with Pipeline.from_bundle(bundle, "tensorrt") as pipe:
        expected = pipe(noise(48, 90))
    enqueue = trt.IExecutionContext.execute_async_v3

    def allocates(self: Any, stream: int) -> bool:
        gpu.allocate(Thing(), 1)
        done: bool = enqueue(self, stream)
        return done

    monkeypatch.setattr(trt.IExecutionContext, "execute_async_v3", allocates)
    with Pipeline.from_bundle(bundle, "tensorrt") as pipe:
        assert_same(pipe(noise(48, 90)), expected)


class Thing:
    pass


def test_stages_add_up_to_what_the_call_took(bundle: Bundle) -> None:
    with Pipeline.from_bundle(bundle, "tensorrt") as pipe:
        stages_ms = pipe(noise(48, 90)).stages_ms
    assert list(stages_ms) == ["preprocess", "engine", "head"]
    # The double's clock has a millisecond for every call: two to preprocess, and two to the head.
    assert stages_ms["preprocess"] > 2
    assert stages_ms["head"] > 2


def test_lesson_23_a_pipeline_may_be_opened_used_and_closed_in_different_threads(
    gpu: Any, bundle: Bundle, assert_same: Same
) -> None:
    pipe = Pipeline.from_bundle(bundle, "tensorrt")
    here = pipe(noise(48, 90))
    there: list[Scene] = []

    def elsewhere() -> None:
        there.append(pipe(noise(48, 90)))
        pipe.close()
        assert gpu.depth == 0

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join(30)
    assert_same(there[0], here)
    assert len(gpu.threads) == 2
    assert gpu.live_bytes == 0
    pipe.close()


def test_two_pipelines_at_once(gpu: Any, bundle: Bundle, assert_same: Same) -> None:
    with (
        Pipeline.from_bundle(bundle, "tensorrt") as first,
        Pipeline.from_bundle(bundle, "tensorrt") as second,
    ):
        scenes = [pipe(noise(48, 90, seed)) for pipe in (first, second) for seed in (1, 2)]
        first.close()
        assert_same(second(noise(48, 90, 2)), scenes[3])
    for mine, other in zip(scenes[:2], scenes[2:], strict=True):
        assert_same(mine, other)
    assert gpu.live_bytes == 0


@pytest.fixture
def several(tiny_bundle: Bundle, as_built: AsBuilt) -> Bundle:
    """With an engine for one to three frames."""
    onnx = pytest.importorskip("onnx", reason="onnx makes the test network")
    from edge_mtl.export.batch import Batch, with_batch

    network = with_batch(onnx.load_from_string(tiny_bundle.network), Batch(1, 2, 3))
    return as_built(tiny_bundle, network.SerializeToString(), batch=(1, 2, 3))


SIZES = [(48, 90), (123, 77), (64, 96)]


@pytest.mark.parametrize("integrated", [False, True], ids=["own memory", "shared memory"])
def test_frames_of_several_cameras_at_once_are_as_one_at_a_time(
    gpu: Any, bundle: Bundle, several: Bundle, integrated: bool, assert_same: Same
) -> None:
    gpu.integrated = integrated
    frames = [Frame(noise(*size, seed), seed, 1) for seed, size in enumerate(SIZES)]
    [pipe] = Pipeline.open_several(several, 1, "tensorrt", frames=8)
    assert pipe.most_frames == 3
    with pipe, Pipeline.from_bundle(bundle, "tensorrt") as alone:
        expected = [alone(frame.image) for frame in frames]
        for order in ([0, 1, 2], [1, 2], [0], [2, 1, 0], [0, 1, 2]):
            scenes = pipe.batch([frames[i] for i in order])
            assert [scene.frame_index for scene in scenes] == order
            for i, scene in zip(order, scenes, strict=True):
                assert_same(scene, expected[i])
    assert gpu.live_bytes == 0


def test_a_batch_is_one_launch_of_one_graph_and_the_last_ones_are_kept(
    gpu: Any, several: Bundle
) -> None:
    frames = [Frame(noise(*size, seed), seed, 1) for seed, size in enumerate(SIZES)]
    batches = [frames, frames[:1], frames[1:], frames[:2], frames[::2], frames[1:2], frames[2:]]
    [pipe] = Pipeline.open_several(several, 1, "tensorrt", frames=3)
    with pipe:
        for batch in batches:
            pipe.batch(batch)
        before = gpu.allocations, len(gpu.graphs)
        assert before[1] == 7
        for batch in batches:
            gpu.calls.clear()
            pipe.batch(batch)
            assert gpu.calls == [
                *("graph", "mark", "to GPU", "preprocess", "mark", "engine", "mark"),
                *("fused_head", "to host", "mark"),
            ]
        assert (gpu.allocations, len(gpu.graphs)) == before
        pipe(noise(30, 30))  # an eighth takes the place of the one that was longest ago
        gpu.calls.clear()
        pipe.batch(batches[1])
        assert gpu.calls[0] == "graph"
        allocations = gpu.allocations
        pipe.batch(batches[0])
        assert gpu.allocations > allocations


@pytest.mark.parametrize(
    ("batch", "most"),
    [
        pytest.param((2, 2, 3), 2, id="two to three"),
        pytest.param((3, 3, 3), 3, id="three"),
        pytest.param((3, 1, 2), 1, id="what no builder writes"),
    ],
)
def test_an_engine_for_more_frames_runs_one_too(
    bundle: Bundle,
    several: Bundle,
    as_built: AsBuilt,
    batch: tuple[int, int, int],
    most: int,
    assert_same: Same,
) -> None:
    plan = several.files["orin.engine"]
    with (
        Pipeline.from_bundle(as_built(bundle, plan, batch=batch), "tensorrt") as pipe,
        Pipeline.from_bundle(bundle, "tensorrt") as alone,
    ):
        assert pipe.most_frames == most
        frame = noise(48, 90)
        assert_same(pipe(frame), alone(frame))


def test_raw_outputs_come_to_the_host_where_they_are_asked_for(bundle: Bundle) -> None:
    from edge_mtl.runtime.engines import open_engine

    engine = open_engine("tensorrt", bundle)
    with Pipeline(bundle.spec, engine, raw_on_host=True) as pipe:
        pipe(noise(48, 90))
        assert engine.image.any()
        assert engine.outputs["classes"].any()
        assert isinstance(pipe._stages, HostStages)


def test_a_batch_by_way_of_the_host(several: Bundle, bundle: Bundle, assert_same: Same) -> None:
    from edge_mtl.runtime.engines import Opening, open_engines

    frames = [Frame(noise(*size, seed), seed, 1) for seed, size in enumerate(SIZES)]
    [engine] = open_engines("tensorrt", several, Opening(frames=3))
    with (
        Pipeline(several.spec, engine, raw_on_host=True) as pipe,
        Pipeline.from_bundle(bundle, "tensorrt") as alone,
    ):
        for batch in (frames, frames[1:]):
            for scene, frame in zip(pipe.batch(batch), batch, strict=True):
                assert_same(scene, alone(frame.image))


def test_what_is_no_frame_of_the_engine(bundle: Bundle) -> None:
    with (
        Pipeline.from_bundle(bundle, "tensorrt") as pipe,
        pytest.raises(EdgeMtlError, match="found NoneType; was the image read"),
    ):
        pipe(None)  # type: ignore[arg-type]


def test_where_the_kernels_do_not_load_the_engine_is_closed(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = []

    def refuse(name: str) -> None:
        raise EdgeMtlError(f"no code of the kernel {name}")

    monkeypatch.setattr("edge_mtl.gpu.preprocessor.load_kernel", refuse)
    monkeypatch.setattr(TensorRtEngine, "close", lambda engine: closed.append(engine))
    with pytest.raises(EdgeMtlError, match="no code of the kernel preprocess"):
        Pipeline.from_bundle(bundle, "tensorrt")
    assert len(closed) == 1
