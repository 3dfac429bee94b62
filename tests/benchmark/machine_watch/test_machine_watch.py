from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from edge_mtl.benchmark import machine_watch
from edge_mtl.benchmark.machine_watch import MachineWatch
from edge_mtl.benchmark.machine_watch.throttle_counters import Counter
from edge_mtl.benchmark.result import MachineState


def test_this_machine_is_watched() -> None:
    with MachineWatch() as watch:
        for _ in range(3):
            watch.look()
    state = watch.state()
    assert 0 < state.speed_worst <= state.speed_p50 <= 1
    assert all(share is None or 0 <= share <= 1 for share in (state.stolen, state.others))
    assert state.hottest_c is None or 0 < state.hottest_c < 150
    for clock in (state.clock_mhz, state.gpu_clock_mhz):
        assert clock is None or 0 < clock[0] <= clock[1]
    assert msgspec.json.decode(msgspec.json.encode(state), type=MachineState) == state


def test_what_every_part_saw_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = 0
    closed = []

    def look() -> None:
        nonlocal looks
        looks += 1

    gpu = SimpleNamespace(
        look=look,
        clocks_mhz=[1980.0, 345.0],
        hottest_c=66.0,
        throttled=lambda: ["GPU, thermal: for 1.00 s"],
        close=lambda: closed.append(1),
    )
    counts = iter(({Counter("thermal, cores", "times"): each}) for each in (3.0, 15.0))
    heat: Any = SimpleNamespace(look=lambda: None, hottest_c=50.0)
    cooling: Any = SimpleNamespace(look=lambda: None, told=lambda: ["thermal, x: at 1 of 2 looks"])
    monkeypatch.setattr(machine_watch, "watch_gpu", lambda: gpu)
    monkeypatch.setattr(machine_watch, "throttle_counts", lambda cores: next(counts))
    monkeypatch.setattr(machine_watch, "Thermometers", lambda: heat)
    monkeypatch.setattr(machine_watch, "Cooling", lambda: cooling)
    monkeypatch.setattr(machine_watch, "shares", lambda before, after, cores: (0.01, 0.2))
    monkeypatch.setattr(machine_watch, "clock_settings", lambda cores: ["nvpmodel MAXN"])
    with MachineWatch() as watch:
        watch.look()
    state = watch.state()
    assert (looks, closed) == (2, [1])  # one at the end
    assert state.throttled == (
        "thermal, cores: 12 times",
        "thermal, x: at 1 of 2 looks",
        "GPU, thermal: for 1.00 s",
    )
    assert (state.gpu_clock_mhz, state.hottest_c) == ((345, 1980), 66)
    assert (state.stolen, state.others) == (0.01, 0.2)
    assert state.notes == ("nvpmodel MAXN",)
