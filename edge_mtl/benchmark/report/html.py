"""One page that holds everything: no network, no script, no file beside it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup, escape

from edge_mtl.benchmark.report.ages import ages
from edge_mtl.benchmark.report.distribution import distribution
from edge_mtl.benchmark.report.engines import VERDICTS, engines
from edge_mtl.benchmark.report.estimates import estimates
from edge_mtl.benchmark.report.findings import disturbances, energy_notes, fastest, lead, unlike
from edge_mtl.benchmark.report.machine import machine_facts, settings
from edge_mtl.benchmark.report.naming import NamedResult, NamedSubject, named, title_of
from edge_mtl.benchmark.report.numbers import rough
from edge_mtl.benchmark.report.pareto import paretos
from edge_mtl.benchmark.report.scaling import scaling, walls
from edge_mtl.benchmark.report.subject_table import (
    CAMERA_COLUMNS,
    COLUMNS,
    LATENCIES,
    accuracy_cells,
    camera_cells,
    cells,
    tasks_of,
)
from edge_mtl.benchmark.report.svg import Figure, series
from edge_mtl.benchmark.report.tail import tail
from edge_mtl.benchmark.report.throughput import throughput
from edge_mtl.benchmark.report.waterfall import waterfall
from edge_mtl.benchmark.result import BenchResult
from edge_mtl.benchmark.statistics import SAME
from edge_mtl.errors import EdgeMtlError

Draw = Callable[[str, Sequence[NamedSubject]], Figure | str]


def write_html(results: Sequence[BenchResult], path: Path) -> None:
    """Write the page of one or several results.

    Raises:
        EdgeMtlError: the file cannot be written.
    """
    page = to_html(results)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise EdgeMtlError(
            f"{path}: expected a file that can be written, found: {error.strerror}; choose another "
            "place for --html"
        ) from None


def to_html(results: Sequence[BenchResult]) -> str:
    """The page. The same results give the same bytes. Needs one result at least."""
    found = named(results)
    measured = [each for each in found if each.subjects]
    subjects = [each for result in measured for each in result.subjects]
    tasks = tasks_of(subjects)

    def each_with(draw: Draw, title: str) -> list[Figure | str]:
        return [_of(each, draw(each.titled(title), each.subjects)) for each in measured]

    return _template().render(
        title=title_of(measured),
        results=found,
        measured=measured,
        subjects=subjects,
        lead=lead,
        fastest=fastest,
        disturbances=disturbances,
        unlike=unlike(found),
        verdicts=VERDICTS,
        same=SAME,
        columns=COLUMNS,
        latencies=LATENCIES,
        cells=cells,
        tasks=tasks,
        accuracy_cells=accuracy_cells,
        camera_columns=CAMERA_COLUMNS,
        camera_cells=camera_cells,
        energy_notes=energy_notes(found),
        paretos=paretos(measured),
        distributions=each_with(distribution, "How many frames took how long"),
        tails=each_with(tail, "The slowest frames"),
        waterfalls=each_with(waterfall, "Stages of a frame"),
        ages=each_with(ages, "Age of every scene"),
        engines=[
            _of(each, engines(each.titled("How many times as fast"), each.result.comparisons))
            for each in measured
        ],
        throughputs=each_with(throughput, "Frames a second"),
        curves=[(each, list(map(scaling, walls(each.result.curves)))) for each in found],
        estimates=[(each, _estimates(each)) for each in found if each.result.estimates],
        machine_facts=machine_facts,
        settings=settings,
    )


def _of(result: NamedResult, found: Figure | str) -> Figure | str:
    """What was drawn or, with whose it is, why nothing was."""
    return result.named(found) if isinstance(found, str) else found


def _estimates(result: NamedResult) -> Figure:
    return estimates(result.named("Estimated latency"), result.result.estimates)


def _with_bold(words: str, subjects: Sequence[NamedSubject]) -> Markup:
    """The words, with the names of subjects in bold."""
    names = sorted((each.name for each in subjects), key=len, reverse=True)
    if not names:
        return escape(words)
    parts = re.split(f"({'|'.join(map(re.escape, names))})", words)
    return Markup("").join(
        Markup("<strong>{}</strong>").format(part) if place % 2 else part
        for place, part in enumerate(parts)
    )


def _with_links(words: str) -> Markup:
    """The words, with addresses of the web as links."""
    parts = re.split(r"(https?://\S*[^\s.,;:)])", words)
    return Markup("").join(
        Markup('<a href="{0}" rel="noreferrer">{0}</a>').format(part) if place % 2 else part
        for place, part in enumerate(parts)
    )


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    helpers: dict[str, Any] = {"Markup": Markup, "rough": rough, "series": series}
    environment.globals.update(helpers)
    environment.filters.update(with_bold=_with_bold, with_links=_with_links)
    environment.tests["told"] = lambda each: isinstance(each, str)
    return environment.get_template("report.html")
