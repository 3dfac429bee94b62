from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import msgspec

from edge_mtl.benchmark.report.naming import named, title_of
from edge_mtl.benchmark.result import BenchResult, Subject

Make = Callable[..., Subject]
MakeResult = Callable[..., BenchResult]


def test_one_result_needs_no_letter(made_up: BenchResult) -> None:
    [one] = named([made_up])
    assert (one.letter, one.title) == ("", "Made-up processor (test data), 2 cores")
    assert [each.number for each in one.subjects] == [1, 2, 3, 4]
    assert one.titled("Chart") == "Chart"


def test_results_with_subjects_have_letters_and_numbers_go_on(made_up: BenchResult) -> None:
    first, second = named([made_up, made_up])
    assert (first.letter, second.letter) == ("A", "B")
    assert (second.subjects[0].number, second.subjects[0].name) == (5, "B: driving-s, openvino")
    assert second.titled("Chart") == "Chart (B: Made-up processor (test data), 2 cores)"


def test_curves_and_estimates_belong_to_the_run_of_the_same_machine(made_up: BenchResult) -> None:
    bare = msgspec.structs.replace(made_up, subjects=(), comparisons=())
    assert [each.letter for each in named([made_up, bare, bare])] == ["", "", ""]
    elsewhere = msgspec.structs.replace(bare, machine=replace(made_up.machine, processor="other"))
    assert [each.letter for each in named([made_up, elsewhere])] == ["A", "B"]


def test_there_are_letters_for_many(made_up: BenchResult) -> None:
    letters = [each.letter for each in named([made_up] * 28)]
    assert letters[24:] == ["Y", "Z", "AA", "AB"]


def test_the_title_names_few_networks_and_counts_many(subject: Make, result: MakeResult) -> None:
    def title(*models: str) -> str:
        subjects = tuple(subject(model) for model in models)
        return title_of(named([result(subjects=subjects, comparisons=())]))

    assert title("a") == "Latency and accuracy of a"
    assert title("a", "b", "b") == "Latency and accuracy of a and b"
    assert title("a", "b", "c", "d") == "Latency and accuracy of 4 networks"
    assert title_of([]) == "Scaling and estimates"
