from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_mtl.benchmark import runs
from edge_mtl.benchmark.contender import Contender
from edge_mtl.benchmark.result import Energy
from edge_mtl.benchmark.runs import Found, Plan, measure
from edge_mtl.bundle import Bundle
from edge_mtl.runtime.pipeline import Pipeline
from edge_mtl.runtime.sources import Frame

pytest.importorskip("cv2", reason="OpenCV, of the extra cpu, is not installed")
pytest.importorskip("onnxruntime", reason="the extra cpu is not installed")

FRAMES = [Frame(np.full((48, 90, 3), 99, np.uint8), 0, 0)]
LITTLE = Plan(seconds=0.1, rate_hz=0.0, deadline_ms=0.0, streams=0, starts=0)
ALL = Plan(seconds=0.1, rate_hz=100.0, deadline_ms=10.0, streams=1, starts=1)


def found_by(plan: Plan, bundle: Bundle, path: Path) -> Found:
    open_several = partial(Pipeline.open_several, bundle, engine="onnxruntime", threads=1)
    contender = Contender(
        *("tiny, onnxruntime", "tiny", "onnxruntime", "1.0", "fp32", "0" * 64, None),
        lambda count, frames: open_several(count, frames=frames),
        (str(path), "--engine", "onnxruntime"),
    )
    [pipeline] = open_several(1)
    with pipeline:
        return measure([contender], {contender.name: pipeline}, FRAMES, plan, lambda *_: None)


def test_only_what_the_plan_has(tiny_bundle: Bundle, tiny_bundle_path: Path) -> None:
    found = found_by(LITTLE, tiny_bundle, tiny_bundle_path)
    [subject] = found.subjects
    assert (subject.camera, subject.throughput, subject.start) == (None, (), None)
    assert found.comparisons == ()
    assert found.rounds == 5
    [subject] = found_by(ALL, tiny_bundle, tiny_bundle_path).subjects
    assert subject.camera is not None
    assert subject.start is not None
    assert len(subject.start.first_result_s) == 1
    assert [(each.streams, each.batch) for each in subject.throughput] == [(1, 1)]


def test_energy_is_by_frame_and_idle_apart(
    tiny_bundle: Bundle, tiny_bundle_path: Path, meter: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "open_meter", lambda *, on_gpu: None if on_gpu else meter)
    monkeypatch.setattr("edge_mtl.benchmark.energy_use._IDLE_S", 0.05)
    found = found_by(LITTLE, tiny_bundle, tiny_bundle_path)
    [subject] = found.subjects
    loop, energy = subject.closed_loop, subject.energy
    assert isinstance(energy, Energy)
    joules = 2.0 * found.rounds  # of the double: two a turn
    assert energy.joules_per_frame == pytest.approx(joules / loop.frames)
    assert energy.watts == pytest.approx(joules / loop.seconds)
    assert 20.0 < energy.idle_watts <= 40.0
    assert (energy.meter, energy.covers) == ("steady", "everything")
    assert meter.closed


def test_why_no_energy_is_told(
    tiny_bundle: Bundle, tiny_bundle_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "open_meter", lambda *, on_gpu: "no energy meter: a desk calculator")
    [subject] = found_by(LITTLE, tiny_bundle, tiny_bundle_path).subjects
    assert subject.energy == "no energy meter: a desk calculator"
