"""Two results side by side: what changed, in which direction, and how it ends."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import compare
import numpy as np
import pytest
import typer
from compare import only_in_one, ratio_changes, time_changes
from report import Ratio
from result_files import Benchmark, Commit, Result, Stats
from typer.testing import CliRunner

from edge_mtl.errors import EdgeMtlError


def times(scale: float, seed: int = 0) -> tuple[float, ...]:
    rng = np.random.default_rng(seed)
    return tuple(float(each) for each in scale * rng.lognormal(0, 0.01, 60))


def ratio(value: float, seed: int, at_most: bool = False) -> dict[str, Any]:
    ours, theirs = times(1.0, seed), times(value, seed + 1)
    return Ratio.in_turn("head", ours, "OpenCV", theirs, at_most=at_most).to_json()


def result(scale: float = 1.0, seed: int = 0, **extra_info: Any) -> Result:
    name = "benchmarks/bench_head.py::test_head"
    data = times(scale, seed)
    made = datetime(2026, 11, 23, tzinfo=timezone.utc)
    benchmark = Benchmark(name, Stats(float(np.median(data)), data), extra_info)
    return Result(Path("a.json"), made, Commit("1" * 40, False), {name: benchmark})


@pytest.mark.parametrize(
    ("now", "at_most", "word"),
    [
        (30.0, False, "better"),
        (15.0, False, "worse"),
        (20.0, False, "same"),
        (30.0, True, "worse"),
        (15.0, True, "better"),
    ],
)
def test_a_ratio_of_one_run_is_compared_with_that_of_the_other(
    now: float, at_most: bool, word: str
) -> None:
    """Nested as the rival's, or flat."""
    before = result(OpenCV=ratio(20.0, 1, at_most))
    [found] = ratio_changes(before, result(**ratio(now, 5, at_most)), paired=True)
    assert found.word == word
    assert found.cells()[:3] == ["head: OpenCV", f"{found.before:.3g}", f"{found.now:.3g}"]


def test_a_slower_machine_changes_times_and_no_ratio() -> None:
    before, now = result(1.0, **ratio(20.0, 1)), result(1.4, **ratio(20.0, 5))
    assert [each.word for each in ratio_changes(before, now, paired=True)] == ["same"]
    [found] = time_changes(before, now)
    assert (found.case, found.word) == ("bench_head.py::test_head", "worse")
    assert found.times is not None
    assert found.times.value == pytest.approx(1 / 1.4, abs=0.02)


def test_one_round_makes_no_claim() -> None:
    few = Ratio.apart("head", [1.0], "OpenCV", [20.0]).to_json()
    [found] = ratio_changes(result(**few), result(**few), paired=False)
    assert (found.word, found.times) == ("too few rounds", None)


def test_benchmarks_of_one_result_alone_are_named() -> None:
    before = result()
    now = Result(before.path, before.made, before.commit, {})
    assert list(only_in_one(before, now)) == [
        "1 benchmarks only in the result kept: bench_head.py::test_head"
    ]
    assert time_changes(before, now) == []


def run(monkeypatch: pytest.MonkeyPatch, before: Result, now: Result, *options: str) -> Any:
    monkeypatch.setattr(compare, "machine_folder", lambda: Path("box"))
    monkeypatch.setattr(compare, "result_here", lambda folder: now)
    monkeypatch.setattr(compare, "last_kept", lambda folder, besides: before)
    app = typer.Typer()
    app.command()(compare.command)
    return CliRunner().invoke(app, options)


def test_it_ends_with_0_unless_it_is_asked_to_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    before, now = result(**ratio(20.0, 1)), result(**ratio(15.0, 5))
    ended = run(monkeypatch, before, now)
    assert ended.exit_code == 0
    assert "to be trusted" in ended.output
    ended = run(monkeypatch, before, now, "--fail-above", "1.2")
    assert ended.exit_code == 1
    assert "worse by more than 1.2 times: head: OpenCV" in ended.output
    assert run(monkeypatch, before, now, "--fail-above", "1.4").exit_code == 0


def test_a_ratio_that_was_not_in_turn_is_shown_and_not_judged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before, now = (
        result(**Ratio.apart("head [real]", times(1.0), "OpenCV", times(value, 1)).to_json())
        for value in (20.0, 10.0)
    )
    ended = run(monkeypatch, before, now, "--fail-above", "1.2")
    assert ended.exit_code == 0
    assert "head [real]: OpenCV" in ended.output
    assert "1 of 1 are the same as before" in ended.output


def test_what_cannot_be_compared_is_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(folder: Path, besides: Result) -> Result:
        raise EdgeMtlError("expected a kept result, found none")

    monkeypatch.setattr(compare, "last_kept", missing)
    monkeypatch.setattr(compare, "result_here", lambda folder: result())
    app = typer.Typer()
    app.command()(compare.command)
    ended = CliRunner().invoke(app)
    assert ended.exit_code == 0
    assert ended.output.strip() == "bench-compare: expected a kept result, found none"
