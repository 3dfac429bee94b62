from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import pytest

pytest.importorskip("jinja2", reason="Jinja, of the extra report, is not installed")

from edge_mtl.benchmark.report.html import to_html, write_html
from edge_mtl.benchmark.report.numbers import DASH
from edge_mtl.benchmark.result import BenchResult, Subject
from edge_mtl.errors import EdgeMtlError

Make = Callable[..., Subject]
MakeResult = Callable[..., BenchResult]
VOID = {"meta", "link", "br", "img", "hr"}
HOSTILE = "<script>alert(1)</script>\"'&<img src=x onerror=alert(1)>"


class Reader(HTMLParser):
    """The words of a page and its elements, all of which are closed."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.words: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.ids: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def page(made_up: BenchResult) -> str:
    return to_html([made_up])


def test_the_figures_are_there_rounded_and_with_their_intervals(
    page: str, made_up: BenchResult
) -> None:
    text = Reader(page).text
    for subject in made_up.subjects:
        p50 = subject.closed_loop.stages["total"].p50
        assert f"{p50.value:.1f} {p50.low:.1f}{DASH}{p50.high:.1f}" in text
        rate = subject.closed_loop.frames_per_second.value
        assert f"{rate:.1f}" in text
    assert "0.836 mean of 3 tasks" in text
    assert "0.766 miou" in text
    assert made_up.command in text
    assert "Not compared: tensorrt (no GPU is here)" in text
    assert "Made-up processor (test data), 2 cores" in text


def test_every_latency_of_a_chart_has_its_accuracy(page: str, made_up: BenchResult) -> None:
    charts = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    rows = [each for each in charts if "Stages of a frame" in each or "Histograms" in each]
    assert len(rows) == 4
    assert all(each.count("accuracy 0.8") == len(made_up.subjects) for each in rows)


def test_every_chart_is_named_and_told_in_words(page: str) -> None:
    reader = Reader(page)
    drawings = [each for tag, each in reader.elements if tag == "svg"]
    assert len(drawings) == 2 * 11
    assert all(each["role"] == "img" and each["aria-label"] for each in drawings)
    tags = [tag for tag, _ in reader.elements]
    assert tags.count("figure") == tags.count("figcaption") == 11
    assert all(each.get("scope") for tag, each in reader.elements if tag == "th")
    links = {each["href"] for tag, each in reader.elements if tag == "a"}
    ids = [each["id"] for _, each in reader.elements if "id" in each]
    assert len(ids) == len(set(ids))
    assert {f"#{each}" for each in ids} == {each for each in links if each and each[0] == "#"}


def test_nothing_is_loaded_and_nothing_runs(page: str) -> None:
    reader = Reader(page)
    for tag, attributes in reader.elements:
        assert tag not in ("script", "iframe", "img", "image", "use", "object", "embed")
        assert not any(name.startswith("on") for name in attributes)
        for name in ("src", "srcset", "data", "xlink:href"):
            assert name not in attributes
        if tag != "a":
            assert attributes.get("href", "data:,") == "data:,"
    assert "url(" not in page
    assert "@import" not in page
    assert "default-src 'none'" in page


def test_the_same_results_give_the_same_bytes(made_up: BenchResult, tmp_path: Path) -> None:
    """In another process too, with another seed of its hashes."""
    result, script = tmp_path / "r.json", tmp_path / "again.py"
    result.write_bytes(made_up.to_bytes())
    script.write_text(
        "import sys; from pathlib import Path\n"
        "from edge_mtl.benchmark.report.html import write_html\n"
        "from edge_mtl.benchmark.result import BenchResult\n"
        "write_html([BenchResult.read(Path(sys.argv[1]))], Path(sys.argv[2]))\n"
    )
    again = tmp_path / "new" / "again.html"
    command = [sys.executable, script, result, again]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONHASHSEED": "7"})
    assert again.read_text(encoding="utf-8") == to_html([made_up])


def test_names_are_anybodys_and_are_escaped(subject: Make, result: MakeResult) -> None:
    one = subject(model=HOSTILE, engine=HOSTILE, engine_version=HOSTILE)
    made = result()
    estimates = [
        msgspec.structs.replace(
            each, device=HOSTILE, basis=HOSTILE, command=HOSTILE, sources=("javascript:alert(1)",)
        )
        for each in made.estimates
    ]
    curves = [
        msgspec.structs.replace(each, what=HOSTILE, quantity=HOSTILE, wall=HOSTILE)
        for each in made.curves
    ]
    other = subject(model="x", energy=HOSTILE)
    comparison = msgspec.structs.replace(made.comparisons[0], subject=one.name, baseline=other.name)
    machine = type(made.machine)(HOSTILE, 2, (HOSTILE,), HOSTILE, HOSTILE)
    hostile = result(
        subjects=(one, other),
        comparisons=(comparison,),
        estimates=tuple(estimates),
        curves=tuple(curves),
        machine=machine,
        command=HOSTILE,
        source=HOSTILE,
        skipped={HOSTILE: HOSTILE},
        gpus=(HOSTILE,),
    )
    page = to_html([hostile, hostile])
    reader = Reader(page)
    assert "<script" not in page
    assert "<img" not in page
    assert not any(name.startswith("on") for _, each in reader.elements for name in each)
    assert not any("javascript:" in (each.get("href") or "") for _, each in reader.elements)
    assert "&lt;script&gt;" in page
    # In a drawing the name is cut, and whole below the pointer.
    assert re.search(r"<svg.*?<title>[^<]*&lt;script&gt;.*?</svg>", page, re.DOTALL)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"camera": None}, "No camera run is in this result"),
        ({"throughput": ()}, "Throughput with several streams or batches is not in this result."),
        ({"accuracy": None}, "nobody measured the accuracy: driving-s, openvino"),
        (
            {"energy": "RAPL is for root alone"},
            "Energy of driving-s, openvino is not told: RAPL is for root alone.",
        ),
        ({"start": None}, "312 0.610"),
    ],
    ids=["camera", "throughput", "accuracy", "energy", "start"],
)
def test_what_is_not_there_is_told(
    subject: Make, result: MakeResult, change: dict[str, Any], told: str
) -> None:
    bare = subject(**change)
    text = Reader(to_html([result(subjects=(bare,), comparisons=())])).text
    if "start" in change:
        assert told not in text
        assert text.count("not measured") >= 2
    else:
        assert told in text
    assert "Nothing was compared" in text


def test_a_percentile_that_takes_more_frames_is_not_made_up(
    subject: Make, result: MakeResult
) -> None:
    text = Reader(to_html([result(subjects=(subject(frames=60),), comparisons=())])).text
    assert text.count("too few frames") == 3  # p99 on a tile, p99 and p99.9 in the table
    assert "No subject has the 100 frames that a p99 needs." in text


def test_curves_and_estimates_alone_make_a_page(made_up: BenchResult) -> None:
    bare = msgspec.structs.replace(made_up, subjects=(), comparisons=(), state=None)
    text = Reader(to_html([bare])).text
    assert text.count("estimate, not measured") == 2
    assert "engine 1.04 (1.01 to 1.07)" in text
    assert "edge-mtl bench driving-s --engine tensorrt --json orin.json" in text
    assert "Subjects" not in text
    measured = msgspec.structs.replace(made_up, curves=(), estimates=())
    text = Reader(to_html([measured])).text
    assert "How the cost grows with sizes was not measured" in text
    assert "There are no estimates in this result." in text


def test_addresses_in_sources_are_links(made_up: BenchResult) -> None:
    source = 'A sheet, https://example.org/a_b?c=d&e="f", table 1; (http://example.org/x).'
    estimate = msgspec.structs.replace(made_up.estimates[0], sources=(source,))
    reader = Reader(to_html([msgspec.structs.replace(made_up, estimates=(estimate,))]))
    links = [each["href"] for tag, each in reader.elements if tag == "a"]
    assert links[-2:] == ['https://example.org/a_b?c=d&e="f"', "http://example.org/x"]
    assert source in "".join(reader.words)


def test_results_of_several_machines_are_told_apart(
    made_up: BenchResult, other_machine: BenchResult
) -> None:
    text = Reader(to_html([made_up, other_machine])).text
    assert "A: Made-up processor (test data), 2 cores" in text
    assert "B: Another made-up processor, 12 cores, Made-up GPU" in text
    assert "A: driving-s, openvino" in text
    assert "B: driving-s, tensorrt" in text
    assert "clocks were cut: thermal, core 0: 12 times" in text
    assert "These results were not measured alike" in text


@pytest.mark.parametrize("frames", [1, 2, 3000])
def test_few_and_many_frames_are_drawn(subject: Make, result: MakeResult, frames: int) -> None:
    one = subject(frames=frames)
    page = to_html([result(subjects=(one,), comparisons=())])
    assert re.search(r"\b(nan|inf)\b", page, re.IGNORECASE) is None
    assert len(page) < 150_000


def test_times_that_are_all_the_same_are_drawn(subject: Make, result: MakeResult) -> None:
    one = subject()
    loop = msgspec.structs.replace(one.closed_loop, totals_ms=(5.0,) * 600)
    still = msgspec.structs.replace(one, closed_loop=loop)
    assert "<svg" in to_html([result(subjects=(still,), comparisons=())])


def test_a_page_that_cannot_be_written_is_one_line(made_up: BenchResult, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EdgeMtlError, match="choose another place for --html"):
        write_html([made_up], tmp_path / "file" / "page.html")
