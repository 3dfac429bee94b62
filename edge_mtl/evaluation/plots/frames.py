"""Frames with what is labelled beside what was found, differences outlined."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import matplotlib.patheffects
import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from numpy.typing import NDArray

from edge_mtl.data.sample import IGNORE, Boxes, Sample
from edge_mtl.evaluation.detection import judge
from edge_mtl.evaluation.plots.style import FADED, INK, WRONG, colours_of, picture
from edge_mtl.runtime.palette import tints_of
from edge_mtl.scene import Scene
from edge_mtl.tasks import KEYPOINTS, BoxTask, PoseTask, SegmentationTask

_PANEL_PX = 500
_CAPTION_PX = 26
_LEGEND_PX = 60
_AROUND = 3.0
_COVER = 1.5
"""How much more of the picture a class covers here than in a video."""
_SPECK = 2e-4
"""Differences of a smaller share of the picture are not outlined: mostly borders, a pixel off."""

# Pairs of KEYPOINTS between which a limb is drawn.
_LIMBS = (
    *(("nose", "left_eye"), ("nose", "right_eye"), ("left_eye", "left_ear")),
    *(("right_eye", "right_ear"), ("left_shoulder", "right_shoulder")),
    *(("left_shoulder", "left_elbow"), ("left_elbow", "left_wrist")),
    *(("right_shoulder", "right_elbow"), ("right_elbow", "right_wrist")),
    *(("left_shoulder", "left_hip"), ("right_shoulder", "right_hip"), ("left_hip", "right_hip")),
    *(("left_hip", "left_knee"), ("left_knee", "left_ankle")),
    *(("right_hip", "right_knee"), ("right_knee", "right_ankle")),
)


@dataclass(frozen=True, slots=True)
class Frame:
    """A picture to show: why, with its labels in the spec's ids and with what was found."""

    caption: str
    sample: Sample
    scene: Scene


def plot_masks(
    path: Path, task: SegmentationTask, frames: Sequence[Frame], heading: str, subject: str
) -> None:
    """Draw labels and result of a segmentation task; wrong regions have a line around them."""
    present: set[int] = set()

    def draw(frame: Frame, plain: Axes, labelled: Axes, found: Axes) -> None:
        wanted, result = frame.sample.masks[task.name], frame.scene.masks[task.name].labels
        _show(plain, _rgb(frame))
        for axes, mask in ((labelled, wanted), (found, result)):
            _show(axes, _tinted(frame, mask, task.classes))
            present.update(np.unique(mask).tolist())
        wrong = ((wanted != result) & (wanted != IGNORE)).astype(np.uint8)
        for outline in _outlines(wrong):
            for colour, width in ((INK, 2.4), ("white", 1.2)):
                found.plot(*outline.T, color=colour, linewidth=width)

    def legend() -> list[Patch | Line2D]:
        colours = colours_of(task.classes)
        names = [i for i, tint in enumerate(tints_of(task.classes)) if i in present and tint.cover]
        return [
            *(Patch(color=colours[i], label=task.classes[i]) for i in names),
            Patch(facecolor="white", edgecolor=INK, label="outlined: wrong"),
        ]

    _plot(path, frames, draw, legend, heading, subject)


def plot_boxes(
    path: Path, task: BoxTask, frames: Sequence[Frame], heading: str, subject: str
) -> None:
    """Draw labels and boxes of a detection task; what is missed or wrong is dashed."""
    colours = colours_of(task.classes)

    def draw(frame: Frame, plain: Axes, labelled: Axes, found: Axes) -> None:
        wanted, boxes = frame.sample.boxes, frame.scene.detections[task.name]
        assert wanted is not None
        for axes in (plain, labelled, found):
            _show(axes, _rgb(frame))
        for area in wanted.ignored:
            _draw_box(labelled, area, FADED, ":", "ignored")
        for box, class_id in zip(wanted.corners, wanted.class_ids, strict=True):
            _draw_box(labelled, box, colours[class_id], "-", "")
        partners, counted = judge(boxes, wanted)
        for row in np.flatnonzero(counted):
            right = partners[row] >= 0
            colour = colours[boxes.class_ids[row]] if right else WRONG
            score = f"{boxes.scores[row]:.2f}"
            _draw_box(found, boxes.boxes[row], colour, "-" if right else "--", score)
        for column in set(range(len(wanted.class_ids))) - set(partners.tolist()):
            _draw_box(found, wanted.corners[column], "white", "--", "")

    def legend() -> list[Patch | Line2D]:
        return [
            *(
                Line2D([], [], color=colour, label=name)
                for name, colour in zip(task.classes, colours, strict=True)
            ),
            Line2D([], [], color=WRONG, linestyle="--", label="wrong"),
            Line2D([], [], color=FADED, linestyle="--", label="missed (white)"),
        ]

    _plot(path, frames, draw, legend, heading, subject)


def plot_poses(
    path: Path, task: PoseTask, frames: Sequence[Frame], heading: str, subject: str
) -> None:
    """Draw labels and poses of a pose task, as near as the tallest person and what is around;
    rings show where the labels have the keypoints."""
    found_colour, label_colour = "#00d7e1", "#ffb020"
    known = [
        (column, KEYPOINTS.index(name))
        for column, name in enumerate(task.keypoints)
        if name in KEYPOINTS
    ]

    def draw(frame: Frame, plain: Axes, labelled: Axes, found: Axes) -> None:
        assert frame.sample.boxes is not None
        assert frame.sample.boxes.keypoints is not None
        for axes in (plain, labelled, found):
            _show(axes, _rgb(frame))
        for person in frame.sample.boxes.keypoints:
            places = {KEYPOINTS[i]: person[i, :2] for _, i in known if person[i, 2] > 0}
            _draw_pose(labelled, places, label_colour)
            for x, y in places.values():
                found.plot(x, y, "o", markersize=8, markerfacecolor="none", color=label_colour)
        window = _window(frame.sample.boxes, frame.sample.image.shape)
        for axes in (labelled, found):
            axes.set_xlim(window[0], window[2])
            axes.set_ylim(window[3], window[1])
        for points in frame.scene.poses[task.name].points:
            _draw_pose(found, {KEYPOINTS[i]: points[k] for k, i in known}, found_colour)

    def legend() -> list[Patch | Line2D]:
        ring = Line2D([], [], color=label_colour, label="where it is labelled", linestyle="")
        ring.set(marker="o", markerfacecolor="none")
        return [
            Line2D([], [], color=label_colour, label="labelled"),
            Line2D([], [], color=found_colour, label="found"),
            ring,
        ]

    _plot(path, frames, draw, legend, heading, subject)


def _plot(
    path: Path,
    frames: Sequence[Frame],
    draw: Callable[[Frame, Axes, Axes, Axes], None],
    legend: Callable[[], list[Patch | Line2D]],
    heading: str,
    subject: str,
) -> None:
    """A row a frame; `draw` fills its three panels, `legend` is asked when all are drawn."""
    heights = [
        _PANEL_PX * each.sample.image.shape[0] // each.sample.image.shape[1] for each in frames
    ]
    size = 3 * _PANEL_PX + 40, sum(heights) + (_CAPTION_PX * len(frames)) + _LEGEND_PX + 70
    with picture(path, size, heading, subject) as figure:
        grid = figure.subplots(len(frames), 3, squeeze=False, height_ratios=heights)
        for frame, row in zip(frames, grid, strict=True):
            for axes in row:
                axes.autoscale(False)
                axes.set_xlim(0, frame.sample.image.shape[1])
                axes.set_ylim(frame.sample.image.shape[0], 0)
            draw(frame, *row)
            for axes, title in zip(row, (frame.caption, "labelled", "found"), strict=True):
                axes.set_axis_off()
                axes.set_title(title, pad=4)
        figure.legend(handles=legend(), loc="outside lower center", ncols=8)


def _window(boxes: Boxes, shape: tuple[int, ...]) -> tuple[float, float, float, float]:
    """x1 y1 x2 y2 of the part of a picture around the tallest person with keypoints, three times
    as high, with the aspect of the picture."""
    assert boxes.keypoints is not None
    height, width = shape[:2]
    heights = boxes.corners[:, 3] - boxes.corners[:, 1]
    tallest = int((heights * (boxes.keypoints[..., 2] > 0).any(1)).argmax())
    part = min(1.0, _AROUND * float(heights[tallest]) / height)
    centre = (boxes.corners[tallest, :2] + boxes.corners[tallest, 2:]) / 2
    x = float(np.clip(centre[0] - part * width / 2, 0, (1 - part) * width))
    y = float(np.clip(centre[1] - part * height / 2, 0, (1 - part) * height))
    return x, y, x + part * width, y + part * height


def _show(axes: Axes, rgb: NDArray[np.uint8]) -> None:
    height, width = rgb.shape[:2]
    axes.imshow(rgb, extent=(0, width, height, 0))  # pixel i covers [i, i + 1), as of boxes


def _rgb(frame: Frame) -> NDArray[np.uint8]:
    rgb: NDArray[np.uint8] = frame.sample.image[..., ::-1]
    return rgb


def _tinted(frame: Frame, mask: NDArray[np.uint8], classes: Sequence[str]) -> NDArray[np.uint8]:
    """The picture with the classes of a mask in their colours; unlabelled pixels are darker."""
    tints = tints_of(classes)
    cover, colour = np.full((256, 1), 0.6), np.zeros((256, 3))
    for class_id, tint in enumerate(tints):
        cover[class_id], colour[class_id] = min(1.0, _COVER * tint.cover), tint.rgb
    blended = _rgb(frame) * (1 - cover[mask]) + colour[mask] * cover[mask]
    tinted: NDArray[np.uint8] = blended.round().astype(np.uint8)
    return tinted


def _outlines(region: NDArray[np.uint8]) -> Iterable[NDArray[np.float64]]:
    """(N, 2) closed lines around the parts of a (H, W) region, specks and hairlines left out."""
    opened = cv2.morphologyEx(region, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    outlines, _ = cv2.findContours(opened, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    for outline in outlines:
        if cv2.contourArea(outline) >= _SPECK * region.size:
            yield np.concatenate([outline, outline[:1]])[:, 0] + 0.5


def _draw_box(axes: Axes, box: NDArray[np.float32], colour: str, style: str, name: str) -> None:
    corner, (width, height) = (float(box[0]), float(box[1])), (box[2:] - box[:2]).tolist()
    for edge, line in ((INK, 3.0), (colour, 1.6)):
        axes.add_patch(
            Rectangle(corner, width, height, fill=False, ec=edge, linewidth=line, linestyle=style)
        )
    text = axes.text(corner[0], corner[1] - 2, name, color=colour, size=7.5, clip_on=True)
    text.set_path_effects([matplotlib.patheffects.withStroke(linewidth=2, foreground=INK)])


def _draw_pose(axes: Axes, places: dict[str, NDArray[np.float32]], colour: str) -> None:
    for ends in _LIMBS:
        if ends[0] in places and ends[1] in places:
            x, y = np.stack([places[end] for end in ends]).T
            axes.plot(x, y, color=INK, linewidth=3)
            axes.plot(x, y, color=colour, linewidth=1.6)
    for x, y in places.values():
        axes.plot(x, y, "o", color=colour, markersize=4)
