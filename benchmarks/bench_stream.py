"""What a stream costs around a pipeline, and what it gains by doing several things at once.

    pytest benchmarks/bench_stream.py
    EDGE_MTL_DATA=DIR pytest benchmarks/bench_stream.py     on a real drive under DIR

`driving-s`, frames of 1280x720. The rival is a loop in one thread: a frame, the pipeline, the
sinks. What the stream costs itself is told by frames in memory and an engine that does nothing;
what it gains by a clip that has to be decoded, a network on two threads and scenes that are written
to files. A round is so many frames.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
import shipped
from drive_clip import write_clip
from in_turn import time_in_turn
from no_network import NoNetwork
from pytest_benchmark.fixture import BenchmarkFixture
from report import Report
from trained_logits import rendered_frames

from edge_mtl.benchmark.looped import Looped
from edge_mtl.runtime.engines import open_engine
from edge_mtl.runtime.pipeline import Pipeline
from edge_mtl.runtime.sinks import SINKS, Setting
from edge_mtl.runtime.sinks.outputs import Outputs
from edge_mtl.runtime.sources import Frame, Source
from edge_mtl.runtime.sources.video import VideoSource
from edge_mtl.runtime.stream import Stream

THREADS = 2
FRAMES, ROUNDS = 60, 5
FRAMES_OF_KERNELS, ROUNDS_OF_KERNELS = 200, 20
FILES: dict[str, dict[str, str]] = {
    "no sink": {},
    "JSON lines": {"jsonl": "o.jsonl"},
    "JSON lines and video": {"jsonl": "o.jsonl", "save": "o.mp4"},
}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clip") / "drive.mp4", FRAMES)


@pytest.mark.parametrize("lanes", [1, 2])
@pytest.mark.benchmark(group="stream, without a network")
def test_what_a_stream_costs(benchmark: BenchmarkFixture, report: Report, lanes: int) -> None:
    """Frames in memory through preprocessing and head, one thread a lane."""
    bundle = shipped.int8()
    frames = [Frame(image, index, 0) for index, image in enumerate(rendered_frames())]

    def in_memory() -> Source:
        return Looped(frames, math.inf, 30.0)

    with ExitStack() as stack:
        engine = stack.enter_context(closing(open_engine("auto", bundle, threads=1)))
        pipelines = [Pipeline(bundle.spec, NoNetwork(engine), threads=1) for _ in range(lanes)]
        many = FRAMES_OF_KERNELS
        time_in_turn(
            benchmark,
            report,
            f"a stream without a network, {_lanes(lanes)}, {many} frames",
            lambda: _stream(pipelines, in_memory(), {}, many),
            {"a loop": (lambda: _loop(pipelines[0], in_memory(), {}, many), None)},
            ROUNDS_OF_KERNELS,
        )


@pytest.mark.parametrize("lanes", [1, 2])
@pytest.mark.parametrize("sinks", FILES)
@pytest.mark.benchmark(group="stream, a clip")
def test_what_a_stream_gains(
    benchmark: BenchmarkFixture, report: Report, clip: Path, tmp_path: Path, sinks: str, lanes: int
) -> None:
    """Decoding, network and files at once, and one after the other."""
    files = {option: str(tmp_path / name) for option, name in FILES[sinks].items()}
    with ExitStack() as stack:
        pipelines = Pipeline.open_several(shipped.int8(), lanes, threads=THREADS)
        alone = stack.enter_context(Pipeline.from_bundle(shipped.int8(), threads=THREADS))
        for pipeline in pipelines:
            stack.enter_context(pipeline)
        time_in_turn(
            benchmark,
            report,
            f"a clip through a stream, {_lanes(lanes)}, {sinks}, {FRAMES} frames",
            lambda: _stream(pipelines, VideoSource(clip), files, FRAMES),
            {"a loop": (lambda: _loop(alone, VideoSource(clip), files, FRAMES), 1.0)},
            ROUNDS,
            cached=False,
        )


def _lanes(count: int) -> str:
    return f"{count} lane{'s' * (count > 1)}"


def _stream(
    pipelines: Sequence[Pipeline], source: Source, files: Mapping[str, str], frames: int
) -> None:
    sinks = [Outputs.open(files, Setting(source))] if files else []
    done = Stream(source, pipelines, sinks, max_frames=frames).run()
    assert done.latency.frames == frames


def _loop(pipeline: Pipeline, source: Source, files: Mapping[str, str], frames: int) -> None:
    """The same without a stream."""
    setting = Setting(source)
    sinks = [SINKS[option].open(path, setting) for option, path in files.items()]
    done = 0
    while done < frames and (frame := source.read()) is not None:
        scene = pipeline(frame.image, frame_index=frame.index, captured_ns=frame.captured_ns)
        for sink in sinks:
            sink.write(scene, frame)
        done += 1
    source.close()
    for sink in sinks:
        sink.close()
    assert done == frames
