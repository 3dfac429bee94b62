from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from edge_mtl.benchmark.report.naming import named
from edge_mtl.benchmark.report.pareto import front, paretos
from edge_mtl.benchmark.report.svg import Figure
from edge_mtl.benchmark.result import Accuracy, BenchResult, Subject

Make = Callable[..., Subject]
MakeResult = Callable[..., BenchResult]


@pytest.mark.parametrize(
    ("points", "best"),
    [
        ([], []),
        ([(10.0, 0.7)], [0]),
        ([(20.0, 0.8), (10.0, 0.7)], [1, 0]),
        ([(10.0, 0.7), (20.0, 0.7)], [0]),
        ([(10.0, 0.7), (10.0, 0.8)], [1]),
        ([(10.0, 0.7), (10.0, 0.7)], [0, 1]),
        ([(10.0, 0.8), (20.0, 0.7), (30.0, 0.9), (25.0, 0.8)], [0, 2]),
    ],
    ids=["none", "one", "both", "same accuracy", "same latency", "equal", "beaten ones"],
)
def test_the_front_has_what_no_other_beats(
    points: list[tuple[float, float]], best: list[int]
) -> None:
    assert front(points) == best


def figures(*results: BenchResult) -> list[Figure]:
    return [each for each in paretos(named(results)) if isinstance(each, Figure)]


def test_the_caption_names_the_front_with_both_figures(made_up: BenchResult) -> None:
    [figure] = figures(made_up)
    ms = [each.closed_loop.stages["total"].p50.value for each in made_up.subjects]
    assert (
        f"On the Pareto front: driving-s, openvino ({ms[0]:.1f} ms, 0.836) and driving-m, openvino "
        f"({ms[2]:.1f} ms, 0.855)."
    ) in figure.caption
    assert figure.title == "Accuracy on camvid val"
    assert [number for number, _ in figure.key] == [1, 2, 3, 4]


def test_accuracies_by_other_means_are_not_on_one_chart(subject: Make, result: MakeResult) -> None:
    other = Accuracy("bdd val", "export", {"segmentation": ("miou", 0.9)}, {})
    both = (subject(), subject(model="x", accuracy=other))
    shown = figures(result(subjects=both, comparisons=()))
    assert [each.title for each in shown] == ["Accuracy on camvid val", "Accuracy on bdd val"]
    keys = [figure.key for figure in shown]
    assert keys == [((1, "driving-s, openvino"),), ((2, "x, openvino"),)]


def test_what_has_no_accuracy_is_told(subject: Make, result: MakeResult) -> None:
    bare = subject(accuracy=None)
    told = "Not shown, because nobody measured the accuracy: driving-s, openvino."
    assert paretos(named([result(subjects=(bare,), comparisons=())])) == [told]
    with_other = result(subjects=(bare, subject("driving-m")), comparisons=())
    [figure] = figures(with_other)
    assert figure.notes == (told,)


def test_machines_have_fronts_of_their_own(made_up: BenchResult) -> None:
    faster = msgspec.structs.replace(made_up, subjects=made_up.subjects[:1], comparisons=())
    [figure] = figures(made_up, faster)
    assert "On the Pareto front of A: Made-up processor" in figure.caption
    assert "On the Pareto front of B: Made-up processor" in figure.caption
