"""What was measured of the peers, a row each, and the tables that documents show."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import rows

from edge_mtl.benchmark.result import Interval, Latency, Verdict
from edge_mtl.machine import Machine
from edge_mtl.reference import MaskSize

RESULTS = rows.RESULTS / "peers.json"
FIGURES = ("miou", "pck", "f1", "accuracy")
"""What a task is judged by here: of boxes F1, at the threshold that every peer is given."""


class Row(msgspec.Struct, kw_only=True):
    """A peer, with masks of one size.

    library: what computes, and its version.
    opened_s: until it had seen its first frame, conversion and compiling included.
    points_apart: by task and figure, from what the row `compared_with` saw in the clip.
    accuracy: by task, name and value of its figure on `accuracy_data`, from 0 to 1.
    engine, latency: one frame at a time from memory. ratio: how many times as long as edge-mtl's
        it takes, by the medians of the rounds; verdict: whether edge-mtl's is "faster". None for
        edge-mtl itself.
    clip_fps: frames a second from a clip in its file; clip_ratio: how many times as many edge-mtl
        makes.
    disturbed: what the machine was kept from its best by, a sentence each.
    """

    name: str
    library: str
    precision: str
    masks: MaskSize
    threads: int
    opened_s: float
    compared_with: str
    points_apart: dict[str, float]
    accuracy: dict[str, tuple[str, float]]
    accuracy_data: str
    engine: Latency
    latency: Latency
    ratio: Interval | None
    verdict: Verdict | None
    clip: str
    clip_fps: Interval
    clip_ratio: Interval | None
    disturbed: tuple[str, ...]
    command: str
    machine: Machine
    commit: str


def key(row: Row) -> tuple[str, str, str]:
    """What there is one row of."""
    return row.name, row.masks, row.machine.processor


def markdown(found: Sequence[Row]) -> str:
    """A table for each machine and size of masks."""
    kinds = dict.fromkeys((row.machine.processor, row.masks) for row in found)
    return "\n\n".join(
        _table([row for row in found if (row.machine.processor, row.masks) == kind])
        for kind in kinds
    )


def short(found: Sequence[Row], names: Sequence[str]) -> str:
    """A table of a few rows: frames a second of a clip by size of masks, and how many times as many
    edge-mtl makes."""
    lines = [_line(["", "masks of the frame's size", "of the network's"]), "|---|---:|---:|"]
    for name in names:
        of = {row.masks: row for row in found if row.name == name}
        lines.append(_line([name, *(_rate(of[masks]) for masks in ("frame", "network"))]))
    return "\n".join(lines)


def _rate(row: Row) -> str:
    times = f" ({row.clip_ratio.value:.1f})" if row.clip_ratio else ""
    return f"{row.clip_fps.value:.1f}{times}"


def _table(found: Sequence[Row]) -> str:
    first = found[0]
    tasks = {task: figure for task, (figure, _) in first.accuracy.items()}
    heads = ["", "engine", "in all", "times", "frames/s", "times"]
    heads += [f"{task} {figure}" for task, figure in tasks.items()]
    heads += ["opened"]
    lines = [
        f"Masks of the {first.masks}'s size, {first.threads} threads, {first.machine.processor}, "
        f"{first.machine.cores} cores, commit {first.commit}:",
        "",
        _line(heads),
        _line(["---", *["---:"] * (len(heads) - 1)]),
    ]
    for row in found:
        accuracies = (f"{100 * row.accuracy[task][1]:.1f}" for task in tasks)
        lines.append(
            _line(
                [
                    f"{row.name} ({row.library})",
                    f"{row.engine.p50.value:.1f}",
                    f"{row.latency.p50.value:.1f}",
                    _times(row.ratio),
                    f"{row.clip_fps.value:.1f}",
                    _times(row.clip_ratio),
                    *accuracies,
                    f"{row.opened_s:.1f}",
                ]
            )
        )
    disturbed = dict.fromkeys(line for row in found for line in row.disturbed)
    return "\n".join([*lines, *(f"\nMeanwhile {line}." for line in disturbed)])


def _times(ratio: Interval | None) -> str:
    if ratio is None:
        return "1"
    digits = 2 if ratio.value < 10 else 1
    return f"{ratio.value:.{digits}f} ({ratio.low:.{digits}f} to {ratio.high:.{digits}f})"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
