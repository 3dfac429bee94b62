from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from edge_mtl.benchmark.result import BenchResult, Comparison, Interval, MachineState, Verdict
from edge_mtl.errors import EdgeMtlError
from edge_mtl.machine import Machine

QUIET: dict[str, Any] = {
    "speed_p50": 0.98,
    "speed_worst": 0.95,
    "clock_mhz": None,
    "gpu_clock_mhz": None,
    "throttled": (),
    "hottest_c": 50.0,
    "stolen": 0.0,
    "others": 0.01,
}


def empty_result() -> BenchResult:
    return BenchResult(
        created="2026-11-23T00:00:00.000000+00:00",
        command="edge-mtl bench",
        version="0.1.0",
        commit="",
        machine=Machine.here(),
        source="rendered",
        frame_size=(96, 64),
        masks="frame",
        threads=None,
        seconds=1.0,
        state=MachineState(**QUIET),
        comparisons=(Comparison("b", "a", Interval(2.0, 1.9, 2.1), "faster"),),
    )


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    path.write_bytes(empty_result().to_bytes())
    assert BenchResult.read(path) == empty_result()


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (None, "No such file"),
        (b"{", "truncated"),
        (b'{"fps": 3}', "missing required field `format`"),
        (b'{"format": 1}', "missing required field `created`"),
        (b'{"format": 7}', "found format 7"),
        (b"\xff\xd8", "invalid"),
    ],
    ids=["missing", "truncated", "another file", "incomplete", "newer", "a picture"],
)
def test_what_is_no_result_is_one_line(tmp_path: Path, content: bytes | None, found: str) -> None:
    path = tmp_path / "bench.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(EdgeMtlError, match="expected a result of `edge-mtl bench --json`") as error:
        BenchResult.read(path)
    assert found in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("verdict", "ratio", "told"),
    [
        ("faster", (2.0, 1.9, 2.1), "b is 2.00 times as fast as a (1.90 to 2.10): real"),
        ("slower", (0.5, 0.4, 0.625), "b is 2.00 times as slow as a (1.60 to 2.50): real"),
        ("same", (1.0, 0.98, 1.02), "b is as fast as a (0.98 to 1.02 times)"),
        ("unclear", (1.1, 0.9, 1.3), "b and a: no difference that this run could tell"),
    ],
)
def test_comparisons_are_told_in_a_sentence(
    verdict: Verdict, ratio: tuple[float, float, float], told: str
) -> None:
    assert Comparison("b", "a", Interval(*ratio), verdict).told().startswith(told)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, None),
        ({"throttled": ("thermal, core 0: 3 times",)}, "clocks were cut: thermal, core 0: 3 times"),
        ({"speed_worst": 0.5}, "speed fell to 50% of its best"),
        ({"stolen": 0.1}, "the hypervisor gave 10% of the cores to others"),
        ({"others": 0.3}, "other processes had 30% of the cores"),
        ({"stolen": None, "others": None, "hottest_c": None}, None),
    ],
)
def test_a_disturbed_run_says_so(change: dict[str, Any], told: str | None) -> None:
    warnings = MachineState(**{**QUIET, **change}).warnings()
    assert len(warnings) == (told is not None)
    assert told is None or told in warnings[0]


def test_no_unknown_field_is_taken() -> None:
    data = msgspec.json.decode(empty_result().to_bytes())
    with pytest.raises(msgspec.ValidationError, match="unknown field `fps`"):
        msgspec.convert({**data, "fps": 3}, BenchResult)
