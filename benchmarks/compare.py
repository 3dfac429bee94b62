"""This checkout's newest result of `make bench` against the one that was kept last.

    make bench-compare
    python benchmarks/compare.py --fail-above 1.2      ends with 1 where a ratio got worse by more

Three tables. Ratios of ours and a rival that were timed in turn, round by round, may be trusted:
what else the machine did slowed both. Ratios of one after the other may be on a quiet machine.
Times are of two runs, and what the machine did in each is in them: they are there to be looked at.
"Times as good" is above 1 where ours got better.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from result_files import Benchmark, Result, last_kept, machine_folder, result_here
from rich.console import Console
from rich.table import Table
from spread import quotient, times_as_fast

from edge_mtl.benchmark.result import Interval
from edge_mtl.benchmark.statistics import judge
from edge_mtl.errors import EdgeMtlError

_WORDS = {"faster": "better", "slower": "worse", "same": "same", "unclear": "unclear"}


@dataclass(frozen=True, slots=True)
class Change:
    """A figure of both results. times: how many times as good it is now, with its interval; None of
    figures that nobody knows how sure they are."""

    case: str
    before: float
    now: float
    times: Interval | None

    @property
    def word(self) -> str:
        return _WORDS[judge(self.times)] if self.times else "too few rounds"

    def cells(self) -> list[str]:
        times = f"{self.times.value:.2f}" if self.times else ""
        interval = f"{self.times.low:.2f} to {self.times.high:.2f}" if self.times else ""
        return [self.case, f"{self.before:.3g}", f"{self.now:.3g}", times, interval, self.word]


def ratio_changes(before: Result, now: Result, paired: bool) -> list[Change]:
    """Of every ratio that both results have: those of ours and a rival in turn, or the others."""
    kept = {(each["case"], each["rival"]): each for each in _ratios(before.benchmarks.values())}
    found = []
    for each in _ratios(now.benchmarks.values()):
        key = each["case"], each["rival"]
        if key not in kept or each["paired"] != paired:
            continue
        intervals = [_interval(side) for side in (each, kept[key])]
        if each["at_most"]:
            intervals.reverse()  # the less the better
        newer, older = intervals
        times = quotient(newer, older) if newer and older else None
        name = f"{each['case']}: {each['rival']}"
        found.append(Change(name, kept[key]["ratio"], each["ratio"], times))
    return found


def time_changes(before: Result, now: Result) -> list[Change]:
    """Of every benchmark that both results have, in milliseconds."""
    found = []
    for name, each in now.benchmarks.items():
        kept = before.benchmarks.get(name)
        if kept is None:
            continue
        times = times_as_fast(each.stats.data, kept.stats.data)
        short = name.partition("/")[2] or name
        found.append(Change(short, 1e3 * kept.stats.median, 1e3 * each.stats.median, times))
    return found


def only_in_one(before: Result, now: Result) -> Iterator[str]:
    """A line for the benchmarks that only one of the two has."""
    for what, first, second in (("now", now, before), ("kept", before, now)):
        names = [name for name in first.benchmarks if name not in second.benchmarks]
        if names:
            shown = ", ".join(name.partition("/")[2] or name for name in names[:5])
            more = f" and {len(names) - 5} more" if len(names) > 5 else ""
            yield f"{len(names)} benchmarks only in the result {what}: {shown}{more}"


def command(
    now: Annotated[Path | None, typer.Option(help="Another result than the newest.")] = None,
    before: Annotated[Path | None, typer.Option(help="Another than that kept last.")] = None,
    fail_above: Annotated[
        float | None,
        typer.Option(help="End with 1 where a ratio in turn got worse by more, such as 1.2."),
    ] = None,
) -> None:
    """Compare two results of `make bench`. Ends with 0 whatever it finds, unless --fail-above is
    given or a file that is named is no result."""
    console = Console(width=150, markup=False, highlight=False, soft_wrap=True)
    try:
        newer = Result.read(now) if now else result_here(machine_folder())
        older = Result.read(before) if before else last_kept(machine_folder(), newer)
    except EdgeMtlError as error:
        console.print(f"bench-compare: {error}")
        raise typer.Exit(any((now, before, fail_above))) from None
    console.print(f"kept: {_told(older)}")
    console.print(f"now:  {_told(newer)}")
    ratios = ratio_changes(older, newer, paired=True)
    for title, changes in (
        ("Ratios of ours and a rival in turn: to be trusted", ratios),
        ("Ratios of one after the other", ratio_changes(older, newer, paired=False)),
        ("Times in ms, of two runs: the machine's mood is in them", time_changes(older, newer)),
    ):
        if changes:
            console.print(_table(title, changes))
    for line in only_in_one(older, newer):
        console.print(line)
    worse = [
        each
        for each in ratios
        if fail_above is not None and each.times and each.times.high < 1 / fail_above
    ]
    for each in worse:
        console.print(f"worse by more than {fail_above:g} times: {each.case}")
    raise typer.Exit(bool(worse))


def _ratios(benchmarks: Iterable[Benchmark]) -> Iterator[dict[str, Any]]:
    """What `report.Ratio.to_json` left."""
    for each in benchmarks:
        for value in (each.extra_info, *each.extra_info.values()):
            if isinstance(value, dict) and value.keys() >= {"case", "rival", "ratio", "paired"}:
                yield value


def _interval(ratio: dict[str, Any]) -> Interval | None:
    return msgspec.convert(ratio["interval"], Interval | None)


def _told(result: Result) -> str:
    dirty = " with changes" if result.commit.dirty else ""
    return f"{result.commit.id[:7]}{dirty}, {result.made:%Y-%m-%d %H:%M}, {result.path.name}"


def _table(title: str, changes: Sequence[Change]) -> Table:
    """What is the same is only counted."""
    told = [each for each in changes if each.word != "same"]
    same = f"{len(changes) - len(told)} of {len(changes)} are the same as before"
    table = Table(title=title, title_justify="left", caption=same, caption_justify="left")
    table.add_column("case")
    for column in ("kept", "now", "times as good", "95 %", ""):
        table.add_column(column, justify="left" if not column else "right")
    for each in told:
        table.add_row(*each.cells())
    return table


if __name__ == "__main__":
    typer.run(command)
