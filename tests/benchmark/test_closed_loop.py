from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edge_mtl.benchmark.closed_loop import LEAST_ROUNDS, Turns, compare, take_turns
from edge_mtl.benchmark.energy_use import EnergyUse
from edge_mtl.benchmark.result import WarmUp
from edge_mtl.bundle import Bundle
from edge_mtl.runtime.pipeline import Pipeline
from edge_mtl.runtime.sources import Frame
from edge_mtl.scene import Scene

pytest.importorskip("onnxruntime", reason="the extra cpu is not installed")

FRAMES = [Frame(np.full((48, 90, 3), value, np.uint8), 0, 0) for value in (0, 200)]
NO_ENERGY = {"tiny": EnergyUse("none")}


class Noted:
    """A pipeline that notes whose frame it is."""

    def __init__(self, name: str, order: list[str]) -> None:
        self._name = name
        self._order = order

    def __call__(self, image: Any, *, planes: Any) -> Scene:
        self._order.append(self._name)
        return Scene((90, 48), {}, {}, stages_ms={"engine": 1.0, "head": 0.5})


def test_everybody_has_turns_with_the_others_between(watch: Any, meter: Any) -> None:
    order: list[str] = []
    told: list[tuple[int, int]] = []
    pipelines: Any = {name: Noted(name, order) for name in "ab"}
    energy = {"a": EnergyUse("none"), "b": EnergyUse(meter)}
    done = take_turns(
        pipelines, FRAMES, 0.0, watch, energy, lambda now, all_: told.append((now, all_))
    )
    warm_up = {name: done[name].warm_up.frames for name in "ab"}
    assert all(frames >= 10 for frames in warm_up.values())
    # Of two frames a turn the first is not counted.
    assert order[sum(warm_up.values()) :] == list("aabb") * LEAST_ROUNDS
    assert done["a"].frames == [1] * LEAST_ROUNDS
    assert told == [(each, LEAST_ROUNDS) for each in range(1, LEAST_ROUNDS + 1)]
    assert watch.looks == 2 * LEAST_ROUNDS
    assert meter.used == 2 * 2.0 * LEAST_ROUNDS
    summary = done["a"].summary()
    assert list(summary.stages) == ["engine", "head", "total"]
    assert summary.stages["engine"].p50.value == 1.0


def test_stages_of_a_pipeline_are_parts_of_its_total(tiny_bundle: Bundle, watch: Any) -> None:
    with Pipeline.from_bundle(tiny_bundle, "onnxruntime", 1) as pipe:
        done = take_turns({"tiny": pipe}, FRAMES, 0.2, watch, NO_ENERGY, lambda *_: None)
    found = done["tiny"].summary()
    assert list(found.stages) == ["preprocess", "engine", "head", "total"]
    assert found.seconds >= 0.2
    assert len(found.totals_ms) == found.frames == found.stages["total"].count
    *parts, total = (stage.mean.value for stage in found.stages.values())
    assert 0 < sum(parts) <= total
    rate = found.frames_per_second
    assert rate.low <= found.frames / found.seconds == rate.value <= rate.high


def turns_of(medians_ms: list[float]) -> Turns:
    stages = {"total": [np.array([each, each, each]) for each in medians_ms]}
    return Turns(WarmUp(10, 0.2, 9.0), stages, [0.1] * len(medians_ms))


def test_everybody_is_compared_with_the_first() -> None:
    slow = np.linspace(1.0, 3.0, 12)
    times = {"a": 8.0 * slow, "b": 4.0 * slow, "c": 8.0 * slow, "d": 12.0 * slow}
    found = compare({name: turns_of(each.tolist()) for name, each in times.items()})
    assert [(each.subject, each.baseline, each.verdict) for each in found] == [
        ("b", "a", "faster"),
        ("c", "a", "same"),
        ("d", "a", "slower"),
    ]
    assert found[0].ratio.value == pytest.approx(2.0)
    assert compare({"a": turns_of([1.0])}) == []


def test_lesson_what_is_around_the_network_is_a_small_part(watch: Any) -> None:
    """ultralytics#811, #12173, mmyolo#931: 27 of 61 ms went into what came behind the network.

    Here, with seven tasks in whole frames, it is a twentieth; a busy machine may take turns.
    """
    rng = np.random.default_rng(0)
    frames = [Frame(rng.integers(0, 256, (720, 1280, 3), np.uint8), 0, 0) for _ in range(4)]
    with Pipeline.open("driving-s", "onnxruntime", 1) as pipe:
        done = take_turns({"tiny": pipe}, frames, 0.5, watch, NO_ENERGY, lambda *_: None)
    p50_ms = {name: stage.p50.value for name, stage in done["tiny"].summary().stages.items()}
    assert p50_ms["head"] + p50_ms["preprocess"] < 0.25 * p50_ms["total"]
