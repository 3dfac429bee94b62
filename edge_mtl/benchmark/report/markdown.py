"""The same facts as `html`, as Markdown for a pull request: the answer, then all figures folded."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from edge_mtl.benchmark.report.accuracy import accuracy_in_words
from edge_mtl.benchmark.report.findings import disturbances, energy_notes, lead, unlike
from edge_mtl.benchmark.report.machine import machine_facts, settings
from edge_mtl.benchmark.report.naming import NamedResult, named, title_of
from edge_mtl.benchmark.report.numbers import DASH, number, rough, value, with_span
from edge_mtl.benchmark.report.scaling import exponents, walls
from edge_mtl.benchmark.report.subject_table import (
    CAMERA_COLUMNS,
    COLUMNS,
    Cell,
    accuracy_cells,
    camera_cells,
    cells,
    tasks_of,
)
from edge_mtl.benchmark.result import BenchResult, Latency

_SHORT = ("p50 ms", "p99 ms", "frames/s", "accuracy")


def to_markdown(results: Sequence[BenchResult]) -> str:
    """The report of one or several results, in GitHub's Markdown. Needs one result at least."""
    found = named(results)
    measured = [each for each in found if each.subjects]
    subjects = [each for result in measured for each in result.subjects]
    lines = [f"## {plain(title_of(measured))}", ""]
    for result in measured or found:
        lines += _finding(result)
    if apart := unlike(found):
        lines += _warning("These results were not measured alike: compare them with care.", apart)
    if subjects:
        rows = [dict(zip(COLUMNS, cells(each), strict=True)) for each in subjects]
        lines += _table(
            ("subject", *_SHORT),
            [
                (code(each.name), *(_in_table(row[column]) for column in _SHORT))
                for each, row in zip(subjects, rows, strict=True)
            ],
        )
    lines += ["<details>", "<summary>All figures, machine and command</summary>", ""]
    if subjects:
        tasks = tasks_of(subjects)
        lines += ["**Subjects**", ""]
        lines += _table(
            ("subject", *COLUMNS),
            [(code(each.name), *map(_in_table, cells(each))) for each in subjects],
        )
        lines += [line for note in energy_notes(found) for line in (plain(note), "")]
        lines += ["**Accuracy by task**", ""]
        lines += _table(
            ("subject", *map(plain, tasks), "measured on"),
            [(code(each.name), *map(_in_table, accuracy_cells(each, tasks))) for each in subjects],
        )
    for result in found:
        lines += _details(result)
    return "\n".join([*lines, "</details>"]) + "\n"


def plain(words: str) -> str:
    """Words that are shown as they are: no markup, no HTML, nobody notified."""
    escaped = re.sub(r"([\\`*_\[\]|~#])", r"\\\1", " ".join(words.split()))
    escaped = escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return escaped.replace("@", "@\u200b")


def code(words: str) -> str:
    """A name as code, which shows it letter by letter, in a table too."""
    one_line = " ".join(words.split()) or " "
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", one_line)), default=0))
    padding = " " if "`" in one_line else ""
    return f"{fence}{padding}{one_line}{padding}{fence}".replace("|", "\\|")


def _finding(result: NamedResult) -> Iterator[str]:
    if result.letter:
        yield from (f"### {plain(result.title)}", "")
    else:
        yield from (plain(result.machine), "")
    yield from (plain(lead(result)), "")
    if result.result.comparisons:
        yield from (f"- {plain(each.told())}" for each in result.result.comparisons)
        yield ""
    warnings, watched = disturbances(result.result)
    if warnings:
        yield from _warning(watched, warnings)
    elif result.subjects:
        yield from (plain(watched), "")
    for engine, reason in result.result.skipped.items():
        yield from (f"Not compared: {plain(engine)} ({plain(reason)})", "")


def _details(result: NamedResult) -> Iterator[str]:
    """What is one result's alone."""
    if result.letter:
        yield from (f"### {plain(result.title)}", "")
    if result.subjects:
        yield from _stages(result)
        yield from _camera(result)
        yield from _throughput(result)
    yield from _curves(result)
    yield from _estimates(result)
    yield from ("**Machine**", "")
    facts = {**machine_facts(result.result), **settings(result.result)}
    yield from (f"- {plain(name)}: {plain(told)}" for name, told in facts.items())
    yield from ("", "To make it again:", "", *_block(result.result.command), "")


def _stages(result: NamedResult) -> Iterator[str]:
    names = dict.fromkeys(
        name for subject in result.subjects for name in subject.subject.closed_loop.stages
    )
    yield from ("**Stages of a frame: p50 (p99), ms**", "")
    rows = []
    for subject in result.subjects:
        stages = subject.subject.closed_loop.stages
        told = [_p50_and_p99(stages[name]) if name in stages else DASH for name in names]
        accuracy = accuracy_in_words(subject.subject.accuracy).removeprefix("accuracy ")
        rows.append((code(subject.name), *told, plain(accuracy)))
    yield from _table(("subject", *map(plain, names), "accuracy"), rows)


def _p50_and_p99(latency: Latency) -> str:
    return value(latency.p50) + (f" ({value(latency.p99)})" if latency.p99 else "")


def _camera(result: NamedResult) -> Iterator[str]:
    runs = [(each, each.subject.camera) for each in result.subjects]
    rows = [
        (code(subject.name), *map(_in_table, camera_cells(subject, camera)))
        for subject, camera in runs
        if camera is not None
    ]
    yield from ("**Camera, open loop**", "")
    if rows:
        yield from _table(("subject", *CAMERA_COLUMNS), rows)
    else:
        yield from ("No camera run is in this result.", "")


def _throughput(result: NamedResult) -> Iterator[str]:
    rows = [
        (
            code(subject.name),
            str(each.streams),
            str(each.batch),
            with_span(each.frames_per_second),
            number(each.p50_ms),
            plain(accuracy_in_words(subject.subject.accuracy).removeprefix("accuracy ")),
        )
        for subject in result.subjects
        for each in subject.subject.throughput
    ]
    if rows:
        yield from ("**Throughput**", "")
        yield from _table(("subject", "streams", "batch", "frames/s", "p50 ms", "accuracy"), rows)


def _curves(result: NamedResult) -> Iterator[str]:
    rows = [
        (plain(each[0].quantity), plain(exponents(each)), plain(each[0].wall))
        for each in walls(result.result.curves)
    ]
    if rows:
        yield from ("**How the cost grows** (no accuracy: other sizes were not trained)", "")
        yield from _table(("over", "exponents", "the next wall"), rows)


def _estimates(result: NamedResult) -> Iterator[str]:
    rows = [
        (
            plain(each.device),
            plain(f"{each.model}, {each.engine}"),
            f"{rough(each.low_ms)} to {rough(each.high_ms)}",
            plain(each.basis),
            code(each.command),
        )
        for each in result.result.estimates
    ]
    if rows:
        yield from ("**Estimates, not measured**", "")
        columns = ("device", "network", "ms, estimated", "because", "to measure it instead")
        yield from _table(columns, rows)


def _in_table(cell: Cell) -> str:
    return plain(f"{cell.text} ({cell.detail})" if cell.detail else cell.text)


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
    yield f"|{'---|' * len(columns)}"
    yield from (f"| {' | '.join(row)} |" for row in rows)
    yield ""


def _warning(words: str, reasons: Iterable[str]) -> Iterator[str]:
    yield from ("> [!WARNING]", f"> {plain(words)}")
    yield from (f"> - {plain(reason)}" for reason in reasons)
    yield ""


def _block(words: str) -> list[str]:
    longest = max((len(run) for run in re.findall("`+", words)), default=0)
    fence = "`" * max(3, longest + 1)
    return [fence, *words.splitlines(), fence]
