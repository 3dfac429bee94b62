from __future__ import annotations

from typing import Any

import pytest

from edge_mtl.benchmark.energy import SensorError
from edge_mtl.benchmark.energy_use import EnergyUse
from edge_mtl.benchmark.result import Energy


def test_turns_are_summed(meter: Any) -> None:
    use = EnergyUse(meter)
    for _ in range(3):
        use.begin()
        meter.used += 8.0
        use.end()
    assert use.told(5.0, 20) == Energy("steady", "everything", 6.0, 0.0, 1.5)


def test_rest_is_told_apart(meter: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_mtl.benchmark.energy_use._IDLE_S", 0.05)
    use = EnergyUse(meter)
    use.rest()
    use.begin()
    use.end()
    found = use.told(1.0, 1)
    assert isinstance(found, Energy)
    assert found.joules_per_frame == 2.0
    assert 0 < found.idle_watts <= 40.0


def test_a_sensor_that_fails_gives_its_reason_and_no_figure(
    meter: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    use = EnergyUse(meter)
    use.begin()
    use.end()

    def lost() -> float:
        raise SensorError("INA: the sensor is gone")

    monkeypatch.setattr(meter, "joules", lost)
    use.begin()
    use.end()
    use.rest()
    assert use.told(1.0, 1) == "INA: the sensor is gone"


def test_no_meter_is_no_error() -> None:
    use = EnergyUse("no energy meter: none here")
    use.rest()
    use.begin()
    use.end()
    assert use.told(1.0, 1) == "no energy meter: none here"
