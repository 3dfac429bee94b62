"""How far what a peer sees is from what edge-mtl sees in the same frames."""

from __future__ import annotations

from collections.abc import Iterable

from edge_mtl.evaluation.accuracy import Accuracy
from edge_mtl.evaluation.meters import Meters
from edge_mtl.export.gate import Verdict, judge
from edge_mtl.export.yardstick import Measured, add_agreement
from edge_mtl.scene import Scene
from edge_mtl.spec import ModelSpec

SAME_POINTS = 0.5  # two libraries resize and add up each in its own order


def verdicts(spec: ModelSpec, scenes: Iterable[tuple[Scene, Scene]]) -> list[Verdict]:
    """By task, how many points ours lose by another's, as the gate of an export counts them.

    scenes: of each frame, ours and the other's.
    """
    with_itself, with_other = Meters(spec), Meters(spec)
    frames = 0
    for ours, others in scenes:
        add_agreement(spec, with_itself, others, others)
        add_agreement(spec, with_other, ours, others)
        frames += 1
    return judge(_measured(with_itself, frames), _measured(with_other, frames))


def complaints(found: Iterable[Verdict], same: bool) -> list[str]:
    """What is further apart than it may be, a line each: half a point where both compute the same,
    else what the gate of an export allows."""
    return [
        f"{each.task} {each.figure}: {each.lost:.2f} points apart, at most {allowed:g} expected"
        for each in found
        # A figure that is no number is a complaint too.
        if not each.lost <= (allowed := SAME_POINTS if same else each.allowed)
    ]


def _measured(meters: Meters, frames: int) -> Measured:
    by_task = {name: meter.result() for name, meter in meters.labelled()}
    return Measured(Accuracy(frames=frames, tasks={}), Accuracy(frames=frames, tasks=by_task))
