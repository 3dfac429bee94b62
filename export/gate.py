"""The gate: what each task may lose to a precision, and whether it lost more.

What is judged is a pair of `Accuracy`, of the float network and of the exported one, measured in
the same way on the same frames (see `agreement`).
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import msgspec

from edge_mtl.errors import UsageError
from edge_mtl.evaluation.accuracy import Accuracy
from edge_mtl.evaluation.classification import ClassificationAccuracy, MultiLabelAccuracy
from edge_mtl.evaluation.detection import DetectionAccuracy
from edge_mtl.evaluation.meters import TaskAccuracy
from edge_mtl.evaluation.pose import PoseAccuracy
from edge_mtl.evaluation.segmentation import SegmentationAccuracy
from edge_mtl.export.agreement import Basis

Tolerances: TypeAlias = Mapping[str, Mapping[str, float]]
"""By kind of task and name of figure, how many points (hundredths) the figure may fall."""

TOLERANCES: Mapping[Basis, Tolerances] = {
    "labels": {
        "segmentation": {"miou": 1.0},
        # mAP looks at the order of the scores alone. F1, at the threshold that is deployed, sees
        # where all of them fell; it moves with single boxes near the threshold.
        "detection": {"map50": 1.0, "f1": 2.0},
        "pose": {"pck": 1.0},
        "classification": {"accuracy": 1.0},
        "multi_label": {"map": 1.0},
    },
    # Two networks that are right equally often are wrong in different places: pixels at the edges
    # of objects and boxes near the score threshold differ where labels see no loss.
    "agreement": {
        "segmentation": {"pixel_accuracy": 3.0},
        "detection": {"f1": 5.0},
        "pose": {"pck": 5.0},
        "classification": {"accuracy": 3.0},
        "multi_label": {"f1": 5.0},
    },
}
"""What is judged, and what it may lose, where nobody says otherwise."""

_KINDS: dict[type[TaskAccuracy], str] = {
    SegmentationAccuracy: "segmentation",
    DetectionAccuracy: "detection",
    PoseAccuracy: "pose",
    ClassificationAccuracy: "classification",
    MultiLabelAccuracy: "multi_label",
}
_WHOLE_PICTURES = ("classification",)


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one figure of one task fared.

    figure: its name, as in the JSON of an `Accuracy`.
    before, after: of the float network and of the exported one, in [0, 1].
    allowed: how many points (hundredths) it may fall.
    """

    task: str
    figure: str
    before: float
    after: float
    allowed: float

    @property
    def lost(self) -> float:
        """How many points it fell; below zero where it rose."""
        return 100 * (self.before - self.after)

    @property
    def passed(self) -> bool:
        # A figure that is no number passes nothing.
        return self.lost <= self.allowed + 1e-9


def judge(before: Accuracy, after: Accuracy, tolerances: Tolerances) -> list[Verdict]:
    """Compare all tasks that both measured, figure by figure, in the order of `before`.

    Accuracies of whole pictures move in steps of one picture; a single one is always forgiven.

    tolerances: a row of `TOLERANCES`, or what `with_tolerances` made of one.
    """
    verdicts = []
    for task, was in before.tasks.items():
        kind = _KINDS[type(was)]
        least = 100 / max(1, before.frames) if kind in _WHOLE_PICTURES else 0.0
        values, found = (msgspec.to_builtins(each) for each in (was, after.tasks[task]))
        verdicts += [
            Verdict(task, figure, values[figure], found[figure], max(points, least))
            for figure, points in tolerances[kind].items()
        ]
    return verdicts


def failed(verdicts: Iterable[Verdict]) -> tuple[str, ...]:
    """The names of the tasks that lost more than they may, each once."""
    return tuple(dict.fromkeys(each.task for each in verdicts if not each.passed))


def with_tolerances(basis: Basis, given: Iterable[str]) -> Tolerances:
    """The row of `TOLERANCES` for a basis, changed as a user asks.

    given: each POINTS for every figure, or KIND=POINTS or KIND.FIGURE=POINTS for those of one kind
        of task, such as "detection.map50=2"; later ones win.

    Raises:
        UsageError: there is no such kind, it is not judged by such a figure, or the points are no
            number from 0 on.
    """
    table = {kind: dict(figures) for kind, figures in TOLERANCES[basis].items()}
    for each in given:
        place, equals, number = each.rpartition("=")
        points = _points(each, number)
        kind, _, figure = place.partition(".")
        if equals:
            _known(each, kind, table)
        if figure:
            _known(each, figure, table[kind])
        for name in [kind] if equals else table:
            for judged in [figure] if figure else table[name]:
                table[name][judged] = points
    return table


def _points(given: str, number: str) -> float:
    try:
        points = float(number)
    except ValueError:
        points = math.nan
    if not points >= 0:
        raise UsageError(
            f"--tolerance {given}: expected points from 0 on, found {number!r}; write for example "
            "--tolerance detection=2 or --tolerance 1.5"
        )
    return points


def _known(given: str, name: str, known: Iterable[str]) -> None:
    names = list(known)
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.0)[0]
        raise UsageError(
            f"--tolerance {given}: {name!r} is nothing that is judged; did you mean {near!r}? "
            f"Known: {', '.join(names)}"
        )
