"""Pseudo-labels: what networks that know more say about pictures that nobody labelled.

A teacher is named as a data set is, by what stands before the colon; adding one takes one file
with a class like `Teacher` or `PoseTeacher` and one row in `TEACHERS`. What has no such name is a
network of our own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from edge_mtl import zoo
from edge_mtl.errors import UsageError
from edge_mtl.labelling.teacher import PoseTeacher, Teacher
from edge_mtl.signature import unsigned


@dataclass(frozen=True, slots=True)
class Looking:
    """How teachers look at a picture.

    mirror: at its mirror image too.
    scales: of a checkpoint, factors of the size of its input.
    engine: of a bundle, as of `edge_mtl.runtime.engines.open_engine`.
    threads: to compute with; None for all that it can use.
    trusted: a public key; only bundles that its owner signed look.
    """

    mirror: bool = True
    scales: tuple[float, ...] = (1.0,)
    engine: str = "auto"
    threads: int | None = None
    trusted: Path | None = None


@dataclass(frozen=True, slots=True)
class TeacherEntry:
    """A row of `TEACHERS`.

    open: takes the file behind the colon. It imports what it needs.
    usage: how its name is written, for messages.
    """

    open: Callable[[Path, Looking], Teacher | PoseTeacher]
    usage: str


def _open_fastestdet(path: Path, looking: Looking) -> Teacher:
    from edge_mtl.labelling.fastestdet import FastestDet

    return FastestDet(path, mirror=looking.mirror, threads=looking.threads)


def _open_movenet(path: Path, looking: Looking) -> PoseTeacher:
    from edge_mtl.labelling.movenet import MoveNet

    return MoveNet(path, threads=looking.threads)


TEACHERS: Mapping[str, TeacherEntry] = {
    "fastestdet": TeacherEntry(_open_fastestdet, "fastestdet:FILE.onnx"),
    "movenet": TeacherEntry(_open_movenet, "movenet:FILE.tflite"),
}
"""Networks of others, by what stands before the colon."""


def open_teacher(name: str, looking: Looking) -> Teacher | PoseTeacher:
    """Open a teacher by its name: a row of `TEACHERS` and its file, a checkpoint, a bundle, or the
    name of a network that ships.

    Raises:
        UsageError: there is no such teacher, or it is no bundle and only signed ones are trusted.
        EdgeMtlError: its file is missing, damaged or another network.
    """
    kind, colon, file = name.partition(":")
    if kind in TEACHERS and not file:
        raise UsageError(f"{name!r} names no file; expected {TEACHERS[kind].usage}")
    if colon and kind in TEACHERS:
        if looking.trusted is not None:
            raise unsigned(name)
        return TEACHERS[kind].open(Path(file).expanduser(), looking)
    path = zoo.locate(name, ".safetensors")
    if colon and not path.exists():
        usages = ", ".join(row.usage for row in TEACHERS.values())
        raise UsageError(
            f"no teacher {name!r}; expected a checkpoint, a bundle, the name of a network that "
            f"ships, or one of {usages}"
        )
    from edge_mtl.labelling.network_teacher import NetworkTeacher

    return NetworkTeacher.open(
        path,
        trusted=looking.trusted,
        scales=looking.scales,
        mirror=looking.mirror,
        engine=looking.engine,
        threads=looking.threads,
    )


def open_teachers(
    names: list[str], looking: Looking, stack: ExitStack
) -> tuple[list[Teacher], list[PoseTeacher]]:
    """Open several, each in its own list by what it does; `stack` closes them."""
    teachers: list[Teacher] = []
    pose_teachers: list[PoseTeacher] = []
    for name in names:
        opened = open_teacher(name, looking)
        stack.callback(opened.close)
        if isinstance(opened, PoseTeacher):
            pose_teachers.append(opened)
        else:
            teachers.append(opened)
    return teachers, pose_teachers
