from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from edge_mtl.benchmark import energy
from edge_mtl.benchmark.energy import Row, SensorError, open_meter


def row(of: Any, works: bool) -> Row:
    def open_it() -> Any:
        if not works:
            raise SensorError(f"no {of}")
        return SimpleNamespace(name=of)

    return Row(of, open_it)


@pytest.mark.parametrize(
    ("working", "on_gpu", "expected"),
    [
        ({"board", "gpu", "processor"}, True, "board"),
        ({"gpu", "processor"}, True, "gpu"),
        ({"gpu", "processor"}, False, "processor"),
    ],
)
def test_the_meter_covers_what_computes(
    monkeypatch: pytest.MonkeyPatch, working: set[str], on_gpu: bool, expected: str
) -> None:
    rows = tuple(row(of, of in working) for of in ("board", "gpu", "processor"))
    monkeypatch.setattr(energy, "METERS", rows)
    meter = open_meter(on_gpu=on_gpu)
    assert not isinstance(meter, str)
    assert meter.name == expected


def test_every_reason_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = tuple(row(of, of == "gpu") for of in ("board", "gpu", "processor"))
    monkeypatch.setattr(energy, "METERS", rows)
    assert open_meter(on_gpu=False) == "no energy meter: no board; no processor"


@pytest.mark.parametrize("on_gpu", [False, True])
def test_this_machine_has_a_meter_or_a_reason(on_gpu: bool) -> None:
    meter = open_meter(on_gpu=on_gpu)
    if isinstance(meter, str):
        assert meter.startswith("no energy meter: ")
        assert len(meter.splitlines()) == 1
        return
    first = meter.joules()
    assert meter.joules() >= first >= 0
    meter.close()
