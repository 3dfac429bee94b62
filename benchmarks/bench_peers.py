"""edge-mtl beside others that run the same network: same weights, same frames, same threads.

    pytest benchmarks/bench_peers.py                            all of it, results and table
    pytest benchmarks/bench_peers.py --benchmark-disable        only whether all see the same
    EDGE_MTL_DATA=DIR pytest benchmarks/bench_peers.py          on a real drive and CamVid under DIR

`driving-s` on frames of 1280x720. Before anything is timed, what a peer sees is compared with what
edge-mtl sees, in the same library and precision where it has them; one that sees something else
fails, and is not timed. Then all take turns: first with frames in memory, one at a time, then with
a whole clip in its file. Peers whose packages are not installed are skipped: `pip install ncnn pnnx
litert-torch` brings those that no extra does. Rows go to `benchmarks/results/peers.json`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, partial
from importlib import metadata
from pathlib import Path
from typing import Any

import cv2
import labelled_frames
import msgspec
import numpy as np
import peer_rows
import pytest
import rows
from agreement import complaints, verdicts
from checkout import commit
from drive_clip import write_clip
from peer_rows import Row
from peers import OURS, PEERS
from peers.job import Image, Job, MissingError, RunClip
from pytest_benchmark.fixture import BenchmarkFixture
from report import Report
from shipped import int8
from trained_logits import CLIP, FRAME_SIZE, rendered_frames

from edge_mtl.benchmark import statistics
from edge_mtl.benchmark.closed_loop import Sees, take_turns
from edge_mtl.benchmark.energy_use import EnergyUse
from edge_mtl.benchmark.machine_watch import MachineWatch
from edge_mtl.evaluation.meters import Meters
from edge_mtl.export.gate import Verdict
from edge_mtl.machine import Machine
from edge_mtl.placement import Placement
from edge_mtl.reference import MaskSize
from edge_mtl.runtime.sources import Frame
from edge_mtl.runtime.sources.video import VideoSource
from edge_mtl.scene import Mask, Scene

THREADS = 2
FRAMES, CLIP_ROUNDS = 60, 5
COMPARE_EVERY = 5  # frames
LABELLED = 101
SECONDS = 10.0  # of each, one frame at a time
COMMAND = "pytest benchmarks/bench_peers.py"


@dataclass(frozen=True, slots=True)
class Opened:
    """seconds: until it had seen its first frame. compared_with: a row of `PEERS`. wrong: what it
    sees otherwise than that one."""

    see: Sees
    seconds: float
    compared_with: str
    apart: list[Verdict]
    wrong: list[str]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clip") / "drive.mp4", FRAMES)


@pytest.fixture(autouse=True)
def same_threads() -> None:
    cv2.setNumThreads(THREADS)


@pytest.mark.parametrize("masks", ["frame", "network"])
@pytest.mark.parametrize("name", PEERS)
def test_sees_what_edge_mtl_sees(report: Report, clip: Path, name: str, masks: MaskSize) -> None:
    opened = _opened(name, masks, clip)
    if isinstance(opened, MissingError):
        pytest.skip(f"{name} needs {opened}, which is not here")
    told = ", ".join(f"{each.task} {each.figure} {each.lost:.2f}" for each in opened.apart)
    report.note(f"{name}, {masks} masks, points from {opened.compared_with}: {told}")
    assert opened.wrong == []


@pytest.mark.parametrize("masks", ["frame", "network"])
@pytest.mark.benchmark(group="peers")
def test_in_turn(benchmark: BenchmarkFixture, report: Report, clip: Path, masks: MaskSize) -> None:
    if not benchmark.enabled:
        pytest.skip("benchmarks are disabled")
    peers = dict(_that_agree(masks, clip))
    if OURS not in peers:
        pytest.skip("OpenVINO, of the extra cpu, is missing")
    sees = {name: opened.see for name, opened in peers.items()}
    unread = dict.fromkeys(sees, EnergyUse("not asked for"))
    accuracy, accuracy_data = _accuracies(sees)
    with MachineWatch() as watch:
        turns = take_turns(sees, _frames(clip), SECONDS, watch, unread, lambda done, of: None)
        times_s = _clip_times(benchmark, clip, masks, sees)
    disturbed = watch.state().warnings()
    measured = []
    for name, opened in peers.items():
        found = turns[name].summary()
        ratio = clip_ratio = verdict = None
        if name != OURS:
            ratio = statistics.ratio(turns[OURS].medians_ms, turns[name].medians_ms)
            clip_ratio = statistics.ratio(times_s[OURS], times_s[name])
            verdict = statistics.judge(ratio)
        row = Row(
            name=name,
            library=_library(PEERS[name].needs[0]),
            precision=PEERS[name].precision,
            masks=masks,
            threads=THREADS,
            opened_s=opened.seconds,
            compared_with=opened.compared_with,
            points_apart={f"{each.task} {each.figure}": each.lost for each in opened.apart},
            accuracy=accuracy[name],
            accuracy_data=accuracy_data,
            engine=found.stages["engine"],
            latency=found.stages["total"],
            ratio=ratio,
            verdict=verdict,
            clip=CLIP.name if CLIP.is_file() else "rendered",
            clip_fps=statistics.rate([FRAMES] * CLIP_ROUNDS, times_s[name]),
            clip_ratio=clip_ratio,
            disturbed=tuple(disturbed),
            command=COMMAND,
            machine=Machine.here(),
            commit=commit(),
        )
        rows.put_row(peer_rows.RESULTS, row, peer_rows.key)
        measured.append(row)
        if name != OURS:
            times_ms = [1e3 * each for each in times_s[name]]
            case = f"{OURS}, clip, {masks} masks"
            report.add_in_turn(benchmark, case, name, times_ms, PEERS[name].wanted)
    report.verbatim.append(peer_rows.markdown(measured))
    for line in disturbed:
        report.note(line)


def _job(masks: MaskSize) -> Job:
    return Job(Placement.fit(FRAME_SIZE, int8().spec.input), masks, THREADS)


@cache
def _frames(clip: Path) -> list[Frame]:
    """All of a clip, decoded."""
    source = VideoSource(clip)
    frames = list(iter(source.read, None))
    source.close()
    return frames


@cache
def _compared(clip: Path) -> list[Image]:
    """Frames of the clip, and rendered ones with people in them."""
    return [frame.image for frame in _frames(clip)[::COMPARE_EVERY]] + rendered_frames()


@cache
def _scenes(name: str, masks: MaskSize, clip: Path) -> list[Scene]:
    PEERS[name].check()
    return list(map(PEERS[name].open(_job(masks)), _compared(clip)))


@cache
def _opened(name: str, masks: MaskSize, clip: Path) -> Opened | MissingError:
    """A peer that was compared."""
    peer = PEERS[name]
    reference = peer.same_as or OURS
    frames = _compared(clip)
    try:
        peer.check()
        expected = _scenes(reference, masks, clip)
        start = time.perf_counter()
        see = peer.open(_job(masks))
    except MissingError as missing:
        return missing
    see(frames[0])
    seconds = time.perf_counter() - start
    found = list(map(see, frames))  # all kept: a scene has to outlive the next frame
    apart = verdicts(int8().spec, zip(expected, found, strict=True))
    return Opened(see, seconds, reference, apart, complaints(apart, peer.same_as is not None))


def _that_agree(masks: MaskSize, clip: Path) -> Iterator[tuple[str, Opened]]:
    for name in PEERS:
        opened = _opened(name, masks, clip)
        if isinstance(opened, Opened) and not opened.wrong:
            yield name, opened


def _accuracies(sees: dict[str, Sees]) -> tuple[dict[str, dict[str, tuple[str, float]]], str]:
    """By peer and task, its figure on labelled frames; and which these are."""
    spec = int8().spec
    meters = {name: Meters(spec) for name in sees}
    dataset = labelled_frames.dataset(LABELLED)
    for sample in labelled_frames.labelled(dataset, spec):
        for name, see in sees.items():
            meters[name].add(_with_masks_of_the_frame(see(sample.image)), sample)
    return {name: dict(_figures(each)) for name, each in meters.items()}, labelled_frames.name(
        dataset
    )


def _figures(meters: Meters) -> Iterator[tuple[str, tuple[str, float]]]:
    for task, accuracy in meters.result().items():
        figures = msgspec.to_builtins(accuracy)
        name = next(each for each in peer_rows.FIGURES if each in figures)
        yield task, (name, figures[name])


def _with_masks_of_the_frame(scene: Scene) -> Scene:
    """As whoever asked for small masks has to enlarge them."""
    masks = {
        name: Mask(mask.classes, _enlarged(mask.labels, scene.size))
        for name, mask in scene.masks.items()
    }
    return msgspec.structs.replace(scene, masks=masks)


def _enlarged(labels: Any, size: tuple[int, int]) -> Any:
    return cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST)


def _clip_times(
    benchmark: BenchmarkFixture, clip: Path, masks: MaskSize, sees: dict[str, Sees]
) -> dict[str, list[float]]:
    """By peer, the seconds of every round for the whole clip, after one that is not counted."""
    runs: dict[str, RunClip] = {}
    for name, see in sees.items():
        stream = PEERS[name].stream
        runs[name] = partial(_one_after_the_other, see) if stream is None else stream(_job(masks))
    times_s: dict[str, list[float]] = {name: [] for name in runs}

    def go_through(name: str) -> None:
        start = time.perf_counter()
        assert runs[name](clip) == FRAMES, name
        times_s[name].append(time.perf_counter() - start)

    def others_in_turn() -> None:
        for name in runs:
            if name != OURS:
                go_through(name)

    benchmark.pedantic(
        go_through, args=(OURS,), setup=others_in_turn, rounds=CLIP_ROUNDS, warmup_rounds=1
    )
    return {name: times[-CLIP_ROUNDS:] for name, times in times_s.items()}


def _one_after_the_other(see: Sees, clip: Path) -> int:
    capture = cv2.VideoCapture(str(clip))
    done = 0
    while True:
        there, frame = capture.read()
        if not there:
            break
        see(np.asarray(frame, np.uint8))
        done += 1
    capture.release()
    return done


def _library(module: str) -> str:
    """What a module was installed as, with its version."""
    name = metadata.packages_distributions()[module][0]
    return f"{name} {metadata.version(name)}"
