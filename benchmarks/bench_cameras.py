"""What several cameras get of one network, and what batches gain on a processor.

    pytest benchmarks/bench_cameras.py

`driving-s` on OpenVINO; cameras of 1280x720 that come at their own pace for five seconds.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from edge_mtl import zoo
from edge_mtl.bundle import Bundle
from edge_mtl.runtime.pipeline import Pipeline
from edge_mtl.runtime.sources.cameras import Cameras
from edge_mtl.runtime.sources.queued import QueueSource
from edge_mtl.runtime.stream import Stream, StreamReport

SECONDS = 5


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return Bundle.open(zoo.locate("driving-s", ".emtl"))


def run(bundle: Bundle, rates: Mapping[str, float]) -> StreamReport:
    """Cameras that give so many frames a second, together."""
    image = np.random.default_rng(0).integers(0, 256, (720, 1280, 3), np.uint8)
    sources = {name: QueueSource(name, frames_per_second=rate) for name, rate in rates.items()}
    ended = threading.Event()

    def feed(source: QueueSource) -> None:
        due = time.monotonic()
        while not ended.wait(max(0.0, due - time.monotonic())):
            source.put(image)
            due += 1 / source.frames_per_second

    feeds = [threading.Thread(target=feed, args=(source,)) for source in sources.values()]
    with Pipeline.from_bundle(bundle, "openvino") as pipeline:
        stream = Stream(Cameras(sources), [pipeline])
        timer = threading.Timer(SECONDS, stream.stop)
        for thread in (*feeds, timer):
            thread.start()
        report = stream.run()
    ended.set()
    for thread in feeds:
        thread.join()
    return report


@pytest.mark.parametrize(
    "rates",
    [
        pytest.param({"fast": 60, "slow": 5}, id="60 and 5"),
        pytest.param({"a": 30, "b": 30, "c": 30}, id="three of 30"),
    ],
)
def test_cameras_share_a_network(
    benchmark: BenchmarkFixture, bundle: Bundle, rates: Mapping[str, float]
) -> None:
    benchmark.group = "cameras: frames a second, dropped, age in ms"
    report = benchmark.pedantic(run, args=(bundle, rates), rounds=1)
    for name, camera in report.cameras.items():
        age = camera.latency.stages["latency"]
        benchmark.extra_info |= {
            f"{name}_fps": round(camera.latency.frames_per_second, 1),
            f"{name}_dropped": camera.health.dropped,
            f"{name}_p50_ms": round(age.p50_ms, 1),
            f"{name}_p99_ms": round(age.p99_ms, 1),
        }
    seen = [camera.latency.frames for camera in report.cameras.values()]
    if "slow" in rates:
        assert report.cameras["slow"].health.dropped <= 0.2 * seen[1]
    else:
        assert min(seen) >= 0.8 * max(seen)


@pytest.mark.parametrize("frames", [1, 2, 4])
def test_a_batch_on_a_processor(benchmark: BenchmarkFixture, bundle: Bundle, frames: int) -> None:
    """By the frame, as the network itself: without kernels."""
    from edge_mtl.runtime.engines.ov import core

    benchmark.group = "cameras: a batch in OpenVINO"
    image = bundle.manifest.input
    model = core().read_model(bundle.network)
    model.reshape({image.name: [frames, *image.shape[1:]]})
    options = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    request = core().compile_model(model, "CPU", options).create_infer_request()
    request.get_tensor(image.name).data[:] = 0
    benchmark.pedantic(request.infer, rounds=30, warmup_rounds=3)
    assert benchmark.stats is not None
    benchmark.extra_info["ms_a_frame"] = round(benchmark.stats.stats.median * 1e3 / frames, 2)
