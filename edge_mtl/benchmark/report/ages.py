"""How old a scene is when it is there, over the run of a camera."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from edge_mtl.benchmark.report.accuracy import accuracy_in_words
from edge_mtl.benchmark.report.axes import Axis, around, draw_bottom, draw_left, from_zero
from edge_mtl.benchmark.report.naming import NamedSubject
from edge_mtl.benchmark.report.numbers import listed, number
from edge_mtl.benchmark.report.svg import NARROW, Drawing, Figure, Spot, heading_px, series, twice
from edge_mtl.benchmark.result import Camera

_LEFT, _RIGHT, _PANEL_PX, _GAP_PX = 44, 64, 120, 26
_FATE_PX = 18  # of a third line on a phone
_MOST_DOTS = 1500
_FAR = 5.0  # a scene that is so many times as old as the deadline leaves no room for the others


def ages(title: str, subjects: Sequence[NamedSubject]) -> Figure | str:
    """A panel a subject that has a camera run; in words, why there is none."""
    shown = [(each, each.subject.camera) for each in subjects if each.subject.camera is not None]
    if not shown:
        return "No camera run is in this result: nobody offered frames at a camera's rate."
    left_out = [each.name for each in subjects if each.subject.camera is None]
    runs = [(each, camera) for each, camera in shown if camera is not None]
    seconds = [at for _, camera in runs for at in (camera.seconds, *(at for at, _ in camera.ages))]

    def draw(width: int) -> Drawing:
        heading = heading_px(width) + (_FATE_PX if width <= NARROW else 0)
        row = heading + _PANEL_PX + _GAP_PX
        drawing = Drawing(width, row * len(runs) + 18, f"Ages of frames. {title}")
        across = from_zero(seconds, _LEFT, width - _RIGHT)
        up = _upwards(runs)
        for index, (subject, camera) in enumerate(runs):
            _draw_heading(drawing, subject, camera, index * row)
            _draw_panel(drawing, across, up, index * row + heading, (subject, camera))
        title_y = row * len(runs) + 12
        drawing.text(
            (width - _RIGHT, title_y), "age in ms, over the seconds of the run", "quiet end"
        )
        return drawing

    return Figure(
        title,
        "Timelines of the age of every scene, with the deadline as a line. The table below has "
        "their percentiles, drops and misses.",
        f"{_told(runs)} A dot is a scene, a cross one that was later than the deadline (the dashed "
        "line). Age counts from the capture of a frame, so waiting is in it.",
        twice(draw),
        notes=(f"Without a camera run: {listed(left_out)}.",) if left_out else (),
    )


def _upwards(runs: Sequence[tuple[NamedSubject, Camera]]) -> Axis:
    """The axis of ages, the same of all panels, from the bottom of a panel."""
    told = [age for _, camera in runs for _, age in camera.ages]
    deadlines = [camera.deadline_ms for _, camera in runs]
    if max(told, default=0.0) > _FAR * max(deadlines) and min(told) > 0:
        return around((*told, *deadlines), _PANEL_PX, 6, log=True)
    return from_zero((*told, *deadlines), _PANEL_PX, 6)


def _draw_heading(drawing: Drawing, subject: NamedSubject, camera: Camera, top: float) -> None:
    fate = f"{camera.dropped} of {camera.offered} dropped, {camera.missed} late"
    accuracy = accuracy_in_words(subject.subject.accuracy)
    if drawing.is_narrow:
        drawing.heading((0, top + 14), subject, accuracy)
        drawing.text((23, top + 46), fate, "quiet")
    else:
        drawing.heading((0, top + 14), subject, f"{fate}; {accuracy}")


def _draw_panel(
    drawing: Drawing, across: Axis, up: Axis, top: float, run: tuple[NamedSubject, Camera]
) -> None:
    subject, camera = run
    up = replace(up, start=top + up.start, end=top + up.end)
    draw_left(drawing, up, across.start, across.end)
    draw_bottom(drawing, across, up.start, up.start, "")
    in_time, late = _spots(camera, across, up)
    drawing.dots(in_time, f"dots {series(subject.number)}")
    drawing.crosses(late, "cross late", arm=2.5)
    y = up.at(camera.deadline_ms)
    drawing.line((across.start, y), (across.end, y), "deadline")
    drawing.text((across.end + 6, y), "deadline", "small")
    drawing.text((across.end + 6, y + 14), f"{number(camera.deadline_ms)} ms", "small")


def _spots(camera: Camera, across: Axis, up: Axis) -> tuple[list[Spot], list[Spot]]:
    """Of the scenes in time and of the late ones. Of very many, the late ones and evenly some."""
    every = -(-len(camera.ages) // _MOST_DOTS) or 1
    late = [(at, age) for at, age in camera.ages if age > camera.deadline_ms]
    in_time = [(at, age) for at, age in camera.ages if age <= camera.deadline_ms][::every]
    if len(late) > _MOST_DOTS:
        late = late[::every]
    return (
        [(across.at(at), up.at(age)) for at, age in in_time],
        [(across.at(at), up.at(age)) for at, age in late],
    )


def _told(runs: Sequence[tuple[NamedSubject, Camera]]) -> str:
    shares = [
        f"{subject.name} {camera.missed / camera.scenes:.1%}"
        for subject, camera in runs
        if camera.scenes
    ]
    return f"Scenes later than their deadline: {', '.join(shares)}." if shares else ""
