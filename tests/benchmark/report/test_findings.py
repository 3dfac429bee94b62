from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from edge_mtl.benchmark.report.findings import disturbances, energy_notes, lead, unlike
from edge_mtl.benchmark.report.naming import named
from edge_mtl.benchmark.result import BenchResult, Comparison, Interval, Subject, Verdict

Make = Callable[..., Subject]
MakeResult = Callable[..., BenchResult]
FAST, SLOW = "driving-s, openvino", "driving-s, onnxruntime"


def told(result: BenchResult) -> str:
    [one] = named([result])
    return lead(one)


@pytest.fixture
def two(subject: Make, result: MakeResult) -> Callable[..., BenchResult]:
    """A fast subject and a slow one, with what was found when they were compared."""

    def make(*comparisons: Comparison) -> BenchResult:
        subjects = subject(p50_ms=20.0), subject(engine="onnxruntime", p50_ms=40.0)
        return result(subjects=subjects, comparisons=comparisons)

    return make


def test_one_subject_is_told_with_its_accuracy(subject: Make, result: MakeResult) -> None:
    one = subject()
    total = one.closed_loop.stages["total"]
    assert total.p99 is not None
    assert told(result(subjects=(one,), comparisons=())) == (
        f"driving-s, openvino takes {total.p50.value:.1f} ms a frame (p50; p99 "
        f"{total.p99.value:.1f}), {one.closed_loop.frames_per_second.value:.1f} frames/s, "
        "accuracy 0.836, mean of 3 tasks."
    )


def test_few_frames_have_no_p99(subject: Make, result: MakeResult) -> None:
    assert "(p50; max " in told(result(subjects=(subject(frames=60),), comparisons=()))


@pytest.mark.parametrize(
    ("comparison", "words"),
    [
        (
            Comparison(FAST, SLOW, Interval(2.0, 1.9, 2.1), "faster"),
            "2.00 times as fast as driving-s, onnxruntime (1.90 to 2.10), which is real.",
        ),
        (
            Comparison(SLOW, FAST, Interval(0.5, 0.4, 0.625), "slower"),
            "2.00 times as fast as driving-s, onnxruntime (1.60 to 2.50), which is real.",
        ),
    ],
    ids=["as the first", "as the baseline"],
)
def test_the_fastest_is_named_with_by_how_much(
    two: Callable[..., BenchResult], comparison: Comparison, words: str
) -> None:
    found = told(two(comparison))
    assert found.startswith(f"{FAST} is the fastest: ")
    assert words in found


@pytest.mark.parametrize(
    ("verdict", "ratio"),
    [("same", Interval(1.01, 1.004, 1.02)), ("unclear", Interval(1.02, 0.98, 1.06))],
)
def test_nobody_is_the_fastest_where_that_is_not_sure(
    two: Callable[..., BenchResult], verdict: Verdict, ratio: Interval
) -> None:
    found = told(two(Comparison(FAST, SLOW, ratio, verdict)))
    assert found.startswith(f"{FAST} has the lowest p50: ")
    assert f"That it is faster than {SLOW} is not sure." in found
    assert "real" not in found


def test_what_was_not_compared_may_be_chance(two: Callable[..., BenchResult]) -> None:
    assert f"It was not compared in turn with {SLOW}: this may be chance." in told(two())


def test_the_most_accurate_is_named_where_it_is_another(made_up: BenchResult) -> None:
    assert "The most accurate is driving-m, openvino: " in told(made_up)
    assert "accuracy 0.855, mean of 3 tasks." in told(made_up)
    one_network = msgspec.structs.replace(
        made_up, subjects=made_up.subjects[:2], comparisons=made_up.comparisons[:1]
    )
    assert "most accurate" not in told(one_network)


def test_a_result_without_subjects_says_what_it_holds(made_up: BenchResult) -> None:
    bare = msgspec.structs.replace(made_up, subjects=(), comparisons=())
    assert told(bare).endswith("there are scaling curves and estimates.")


def test_a_disturbed_machine_is_told(made_up: BenchResult, other_machine: BenchResult) -> None:
    warnings, words = disturbances(other_machine)
    assert len(warnings) == 3
    assert "disturbed" in words
    assert disturbances(made_up) == ([], disturbances(made_up)[1])
    assert "98% of its best speed, at 95% at worst" in disturbances(made_up)[1]
    unwatched = disturbances(msgspec.structs.replace(made_up, state=None))
    assert unwatched == ([], "Nobody watched whether the machine was disturbed.")


def test_results_that_were_not_measured_alike_say_in_what(
    made_up: BenchResult, other_machine: BenchResult
) -> None:
    assert unlike(named([made_up, other_machine])) == ["threads: A all; B 4"]
    assert unlike(named([made_up, made_up])) == []


def test_energy_names_its_meter_or_why_there_is_none(
    made_up: BenchResult, other_machine: BenchResult
) -> None:
    assert energy_notes(named([made_up])) == [
        "Energy of every subject: by made-up meter, of the whole board, 6.10 W of it idle."
    ]
    notes = energy_notes(named([other_machine]))
    assert (
        "Energy of driving-s, tensorrt is not told: no meter can be read here, because NVML is not "
        "installed."
    ) in notes
