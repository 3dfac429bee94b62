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


def test_raw_outputs_come_to_the_host_where_they_are_asked_for(bundle: Bundle) -> None:
    from edge_mtl.runtime.engines import open_engine

    engine = open_engine("tensorrt", bundle)
    with Pipeline(bundle.spec, engine, raw_on_host=True) as pipe:
        pipe(noise(48, 90))
        assert engine.image.any()
        assert engine.outputs["classes"].any()
        assert isinstance(pipe._stages, HostStages)


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
