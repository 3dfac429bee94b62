"""What `edge-mtl bench` found, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median
from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from rich.console import Console

    from edge_mtl.benchmark.result import BenchResult, Interval, Latency, Subject


def show(result: BenchResult, console: Console) -> None:
    """Print a table and lines for every subject, then how they compare and what was in the way."""
    from edge_mtl.benchmark.accuracy import told

    def say(line: str) -> None:
        console.print(line, soft_wrap=True)

    machine, (width, height) = result.machine, result.frame_size
    say(f"{machine.processor}, {machine.cores} cores; frames of {width}x{height}")
    for subject in result.subjects:
        console.print(_latency_table(subject))
        for line in (*_lines(subject), told(subject.accuracy, subject.model)):
            say(line)
        console.print()
    for comparison in result.comparisons:
        say(comparison.told())
    for name, why in result.skipped.items():
        say(f"{name}: left out, {why}")
    for why in dict.fromkeys(
        str(each.energy) for each in result.subjects if isinstance(each.energy, str)
    ):
        say(why)
    for warning in result.state.warnings() if result.state else ():
        say(f"disturbed: {warning}")


def _latency_table(subject: Subject) -> Table:
    """A row a stage, and one for the age of the scenes of the camera."""
    table = Table(title=f"{subject.name} ({subject.precision})", title_justify="left")
    table.add_column("ms")
    for column in ("p50", "95 %", "p90", "p95", "p99", "p99.9", "max"):
        table.add_column(column, justify="right")
    for name, stage in subject.closed_loop.stages.items():
        table.add_row(name, *_percentiles(stage), end_section=name == "total")
    if subject.camera is not None:
        table.add_row(f"age at {subject.camera.rate_hz:g} Hz", *_percentiles(subject.camera.age))
    return table


def _lines(subject: Subject) -> Iterator[str]:
    """What stands below its table."""
    loop, camera, start = subject.closed_loop, subject.camera, subject.start
    yield (
        f"one after the other: {loop.frames} frames in {loop.seconds:.1f} s, "
        f"{_rate(loop.frames_per_second)}, jitter {loop.jitter_ms.value:.2f} ms; before that "
        f"{loop.warm_up.frames} to warm up, the slowest {loop.warm_up.slowest_ms:.1f} ms"
    )
    if camera is not None:
        yield (
            f"camera of {camera.rate_hz:g} Hz: {camera.dropped} of {camera.offered} frames "
            f"dropped, {camera.missed} of {camera.scenes} scenes older than "
            f"{camera.deadline_ms:.1f} ms, jitter {camera.jitter_ms.value:.2f} ms"
        )
    for each in subject.throughput:
        batch = f", {each.batch} frames at a time" if each.batch > 1 else ""
        yield (
            f"{each.streams} stream{'s' * (each.streams > 1)}{batch}: "
            f"{_rate(each.frames_per_second)}, each after {each.p50_ms:.1f} ms"
        )
    if start is not None:
        yield (
            f"start: first result after {median(start.first_result_s):.2f} s, at most "
            f"{start.peak_memory_mb:.0f} MB"
        )
    if not isinstance(subject.energy, str):
        energy = subject.energy
        yield (
            f"energy: {energy.joules_per_frame:.3f} J a frame, {energy.watts:.1f} W of "
            f"{energy.covers}, {energy.idle_watts:.1f} W idle ({energy.meter})"
        )


def _percentiles(found: Latency) -> list[str]:
    others = [found.p90, found.p95, found.p99, found.p999]
    return [
        f"{found.p50.value:.2f}",
        "-".join(f"{each:.{1 if each >= 10 else 2}f}" for each in (found.p50.low, found.p50.high)),
        *("-" if each is None else f"{each.value:.2f}" for each in others),
        f"{found.max_ms:.2f}",
    ]


def _rate(found: Interval) -> str:
    return f"{found.value:.1f} frames/s ({found.low:.1f} to {found.high:.1f})"
