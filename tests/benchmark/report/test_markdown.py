from __future__ import annotations

import re
from collections.abc import Callable

import msgspec
import pytest
from markdown_it import MarkdownIt

from edge_mtl.benchmark.report.markdown import code, plain, to_markdown
from edge_mtl.benchmark.result import BenchResult, Subject

Make = Callable[..., Subject]
MakeResult = Callable[..., BenchResult]
HOSTILE = "a|b `c` ``d`` <script>x</script> *e* @everyone\n| f"


def shown(text: str) -> str:
    """The HTML that it becomes, where HTML in it is kept."""
    return MarkdownIt("commonmark").enable("table").render(text)


def columns(html: str) -> list[set[int]]:
    """Of every table, how many cells its rows have."""
    tables = re.findall("<table>.*?</table>", html, re.DOTALL)
    return [{len(re.findall("<t[hd]", row)) for row in table.split("<tr>")[1:]} for table in tables]


def test_the_answer_stands_first_and_the_rest_is_folded(made_up: BenchResult) -> None:
    text = to_markdown([made_up])
    first, folded = text.split("<details>")
    assert first.startswith("## Latency and accuracy of driving-s and driving-m\n")
    assert "driving-s, openvino is the fastest: " in first
    assert ": real\n" in first
    assert "| subject | p50 ms | p99 ms | frames/s | accuracy |" in first
    assert len(first) < 2500
    assert columns(shown(text)) == [{5}, {12}, {5}, {6}, {10}, {6}, {3}, {5}]
    assert "<summary>" in folded
    assert "</details>" in folded
    for part in ("Subjects", "Accuracy by task", "Stages of a frame", "Camera", "Throughput"):
        assert f"**{part}" in folded
    for part in ("How the cost grows", "Estimates, not measured", "Machine"):
        assert f"**{part}" in folded
    assert f"```\n{made_up.command}\n```" in folded


def test_figures_are_rounded_with_their_intervals(made_up: BenchResult) -> None:
    text = to_markdown([made_up])
    p50 = made_up.subjects[0].closed_loop.stages["total"].p50
    assert f"| `driving-s, openvino` | {p50.value:.1f} ({p50.low:.1f}" in text
    assert "0.836 (mean of 3 tasks)" in text
    assert "2.1 to 5.8" in text


def test_tables_are_whole_whatever_the_names(subject: Make, result: MakeResult) -> None:
    one = subject(model=HOSTILE, engine=HOSTILE)
    made = result()
    estimates = [
        msgspec.structs.replace(each, device=HOSTILE, command=HOSTILE, basis=HOSTILE)
        for each in made.estimates
    ]
    hostile = result(
        subjects=(one,), comparisons=(), estimates=tuple(estimates), command=f"x\n```\n{HOSTILE}"
    )
    html = shown(to_markdown([hostile]))
    assert [len(found) for found in columns(html)] == [1] * 8
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    # Only code may hold it: there GitHub tells nobody.
    assert "@everyone" not in re.sub("<code>.*?</code>", "", html, flags=re.DOTALL)
    assert html.count("<details>") == html.count("</details>") == 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("a", "`a`"),
        ("a`b", "`` a`b ``"),
        ("`", "`` ` ``"),
        ("a``b`c", "``` a``b`c ```"),
        ("a|b", "`a\\|b`"),
        ("a\nb", "`a b`"),
        ("", "` `"),
    ],
)
def test_names_are_code(words: str, told: str) -> None:
    assert code(words) == told


def test_words_are_no_markup() -> None:
    assert plain("*a* _b_ [c] <d> & e|f") == "\\*a\\* \\_b\\_ \\[c\\] &lt;d&gt; &amp; e\\|f"
    assert plain("@someone\n# x") == "@\u200bsomeone \\# x"


def test_a_disturbed_machine_is_a_warning(made_up: BenchResult, other_machine: BenchResult) -> None:
    text = to_markdown([made_up, other_machine])
    assert "> [!WARNING]\n> The machine was disturbed while it measured" in text
    assert "> - clocks were cut: thermal, core 0: 12 times" in text
    assert "> - threads: A all; B 4" in text
    assert "### B: Another made-up processor, 12 cores, Made-up GPU" in text
    assert "No camera run" not in to_markdown([made_up])


def test_what_is_not_there_is_told(other_machine: BenchResult) -> None:
    bare = msgspec.structs.replace(other_machine, subjects=other_machine.subjects[:1])
    text = to_markdown([bare])
    assert "No camera run is in this result." in text
    assert "too few frames" in text
    assert "accuracy not measured" in text
    assert "NVML is not installed" in text
    curves_alone = msgspec.structs.replace(bare, subjects=(), state=None)
    assert "No network was timed from end to end here" in to_markdown([curves_alone])
