from __future__ import annotations

import threading

import pytest

from edge_mtl.benchmark.energy.sensor_meter import SensorMeter
from edge_mtl.benchmark.sensors import SensorError


def test_the_thread_reads_by_itself_and_ends_when_it_is_closed() -> None:
    often = threading.Event()
    readings = 0
    released = []

    def joules() -> float:
        nonlocal readings
        readings += 1
        if readings == 5:
            often.set()
        return float(readings)

    meter = SensorMeter(
        "a sensor", "nothing", joules, every_s=0.001, release=lambda: released.append(1)
    )
    assert often.wait(60)
    meter.close()
    meter.close()
    assert released == [1]
    after = readings
    assert "energy meter" not in {thread.name for thread in threading.enumerate()}
    assert meter.joules() == after + 1


def test_a_sensor_that_the_thread_loses_is_told_to_who_asks() -> None:
    lost = threading.Event()
    readings = 0

    def joules() -> float:
        nonlocal readings
        readings += 1
        if readings == 2:
            lost.set()
            raise SensorError("the sensor fell off")
        return 1.0

    meter = SensorMeter("a sensor", "nothing", joules, every_s=0.001)
    assert lost.wait(60)
    with pytest.raises(SensorError, match="the sensor fell off"):
        meter.joules()
    meter.close()
    assert readings == 2  # it is not asked again


def test_a_sensor_that_never_worked_starts_no_thread() -> None:
    def joules() -> float:
        raise SensorError("no such thing")

    before = threading.active_count()
    with pytest.raises(SensorError):
        SensorMeter("a sensor", "nothing", joules, every_s=0.001)
    assert threading.active_count() == before
