"""The gate: what each task may lose to a precision, and whether it lost more.

What is judged is what a `Yardstick` measured of the float network and of the exported one.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec

from edge_mtl.errors import UsageError
from edge_mtl.evaluation.accuracy import Accuracy
from edge_mtl.evaluation.classification import ClassificationAccuracy, MultiLabelAccuracy
from edge_mtl.evaluation.detection import DetectionAccuracy
from edge_mtl.evaluation.meters import TaskAccuracy
from edge_mtl.evaluation.pose import PoseAccuracy
from edge_mtl.evaluation.segmentation import SegmentationAccuracy
from edge_mtl.export.yardstick import Basis, Measured

Tolerances: TypeAlias = Mapping[Basis, Mapping[str, Mapping[str, float]]]
"""By basis, kind of task and name of figure, how many points (hundredths) the figure may fall."""

TOLERANCES: Tolerances = {
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
    # of objects, boxes near the score threshold and pictures between two classes differ where
    # labels see no loss.
    "agreement": {
        "segmentation": {"pixel_accuracy": 3.0},
        "detection": {"f1": 5.0},
        "pose": {"pck": 5.0},
        "classification": {"accuracy": 5.0},
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

    basis: whether it was measured by labels or by agreement with the float network.
    figure: its name, as in the JSON of an `Accuracy`.
    before, after: of the float network and of the exported one, in [0, 1].
    allowed: how many points (hundredths) it may fall.
    """

    task: str
    basis: Basis
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

    def to_json(self) -> dict[str, Any]:
        return {
            **msgspec.to_builtins(self),
            "lost": round(self.lost, 4),
            "passed": self.passed,
        }


def judge(before: Measured, after: Measured, tolerances: Tolerances = TOLERANCES) -> list[Verdict]:
    """Compare every task that was measured, figure by figure, in the order of `before`.

    Accuracies of whole pictures move in steps of one picture; a single one is always forgiven.

    tolerances: as `with_tolerances` makes them.
    """
    verdicts = []
    bases: tuple[tuple[Basis, Accuracy, Accuracy], ...] = (
        ("labels", before.labels, after.labels),
        ("agreement", before.agreement, after.agreement),
    )
    for basis, was, found in bases:
        one_picture = 100 / max(1, was.frames)
        for task, figures in was.tasks.items():
            kind = _KINDS[type(figures)]
            least = one_picture if kind in _WHOLE_PICTURES else 0.0
            old, new = (msgspec.to_builtins(each) for each in (figures, found.tasks[task]))
            verdicts += [
                Verdict(task, basis, figure, old[figure], new[figure], max(points, least))
                for figure, points in tolerances[basis][kind].items()
            ]
    return verdicts


def failed(verdicts: Iterable[Verdict]) -> tuple[str, ...]:
    """The names of the tasks that lost more than they may, each once."""
    return tuple(dict.fromkeys(each.task for each in verdicts if not each.passed))


def with_tolerances(given: Iterable[str]) -> Tolerances:
    """`TOLERANCES`, changed as a user asks.

    given: each POINTS for every figure, or KIND=POINTS or KIND.FIGURE=POINTS for those of one kind
        of task, such as "detection.map50=2"; later ones win.

    Raises:
        UsageError: there is no such kind, it is not judged by such a figure, or the points are no
            number from 0 on.
    """
    table: dict[Basis, dict[str, dict[str, float]]] = {
        basis: {kind: dict(figures) for kind, figures in kinds.items()}
        for basis, kinds in TOLERANCES.items()
    }
    rows = [
        (kind, figure, figures)
        for kinds in table.values()
        for kind, figures in kinds.items()
        for figure in figures
    ]
    for each in given:
        place, equals, number = each.rpartition("=")
        points = _points(each, number)
        kind, _, figure = place.partition(".")
        if equals:
            _known(each, kind, [row[0] for row in rows])
        if figure:
            _known(each, figure, [row[1] for row in rows if row[0] == kind])
        for of_kind, name, figures in rows:
            if (not equals or of_kind == kind) and (not figure or name == figure):
                figures[name] = points
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
    names = list(dict.fromkeys(known))
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.0)[0]
        raise UsageError(
            f"--tolerance {given}: {name!r} is nothing that is judged; did you mean {near!r}? "
            f"Known: {', '.join(names)}"
        )
