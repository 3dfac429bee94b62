"""Draws a `Scene` onto its frame: tinted masks, boxes with labels, poses, classes, the latency."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_mtl.runtime.palette import Tint, tints_of
from edge_mtl.runtime.stick_figure import draw_poses
from edge_mtl.scene import Classification, Detections, Mask, Scene

Image: TypeAlias = NDArray[np.uint8]
_Colour: TypeAlias = tuple[int, int, int]

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_WHITE, _BLACK, _PLATE = (255, 255, 255), (0, 0, 0), (32, 32, 32)


class Annotator:
    """Draws scenes; the last picture is kept, so that several sinks share one drawing.

    They may call from threads of their own: one draws, the others wait for its picture.

    Masks are laid over each other as codes in the order of the scene's tasks, a later one covers
    an earlier one, and only the outcome is looked up and blended: one pass over the picture for
    any number of tasks.
    """

    def __init__(self) -> None:
        self._codes_by_classes: dict[tuple[str, ...], Image] = {}
        self._code_by_tint: dict[Tint, int] = {}
        # What a code keeps of the picture and what it adds, as tables of `cv2.applyColorMap`.
        # Code 0 leaves the picture as it is.
        self._kept = np.full((256, 1, 3), 255, np.uint8)
        self._added = np.zeros((256, 1, 3), np.uint8)
        self._last: tuple[Scene, Image, Image] | None = None
        self._one_at_a_time = threading.Lock()

    def __call__(self, scene: Scene, image: Image) -> Image:
        """Draw `scene` on a copy of its frame.

        Args:
            scene: its masks may be smaller than the frame; they are enlarged.
            image: the frame, (H, W, 3) uint8 BGR; it is not changed.

        Returns:
            (H, W, 3) uint8 BGR. It is shared between callers: copy it to draw on.
        """
        with self._one_at_a_time:
            if self._last is None or self._last[0] is not scene or self._last[1] is not image:
                self._last = scene, image, self._draw(scene, image)
            return self._last[2]

    def _draw(self, scene: Scene, image: Image) -> Image:
        drawn = self._tint(image, scene.masks.values()) if scene.masks else image.copy()
        # Below the boxes, whose labels then stay legible.
        for poses in scene.poses.values():
            draw_poses(drawn, poses)
        for detections in scene.detections.values():
            _draw_boxes(drawn, detections)
        _draw_status(drawn, scene)
        return drawn

    def _tint(self, image: Image, masks: Iterable[Mask]) -> Image:
        """The picture with the colours of every mask blended in."""
        first, *others = masks
        outcome = cv2.LUT(first.labels, self._codes(first.classes))
        for mask in others:
            codes = cv2.LUT(mask.labels, self._codes(mask.classes))
            cv2.copyTo(codes, codes, outcome)
        if outcome.shape != image.shape[:2]:
            size = image.shape[1], image.shape[0]
            outcome = cv2.resize(outcome, size, interpolation=cv2.INTER_NEAREST)
        drawn = cv2.multiply(image, cv2.applyColorMap(outcome, self._kept), scale=1 / 255)
        cv2.add(drawn, cv2.applyColorMap(outcome, self._added), dst=drawn)
        return cast("Image", drawn)

    def _codes(self, classes: tuple[str, ...]) -> Image:
        """(256,) uint8: the code of every class id; 0 for classes that are not drawn."""
        codes = self._codes_by_classes.get(classes)
        if codes is None:
            codes = self._codes_by_classes[classes] = np.zeros(256, np.uint8)
            for class_id, tint in enumerate(tints_of(classes)):
                codes[class_id] = self._code(tint)
        return codes

    def _code(self, tint: Tint) -> int:
        if tint.cover == 0.0:
            return 0
        if tint not in self._code_by_tint:
            code = 1 + len(self._code_by_tint) % 255
            self._code_by_tint[tint] = code
            self._kept[code] = round(255 * (1 - tint.cover))
            self._added[code, 0] = [round(value * tint.cover) for value in tint.bgr]
        return self._code_by_tint[tint]


def _draw_boxes(image: Image, detections: Detections) -> None:
    colours = [tint.bgr for tint in tints_of(detections.classes)]
    width = _line_width(image)
    corners = np.round(detections.boxes).astype(int).tolist()
    # The best box last, so that it lies on top.
    for box, score, class_id in reversed(
        list(zip(corners, detections.scores.tolist(), detections.class_ids.tolist(), strict=True))
    ):
        top_left, bottom_right = box[:2], box[2:]
        cv2.rectangle(image, top_left, bottom_right, _BLACK, width + 2)
        cv2.rectangle(image, top_left, bottom_right, colours[class_id], width)
        label = f"{detections.classes[class_id]} {score:.2f}"
        _draw_text(image, label, (box[0], box[1]), colours[class_id])


def _draw_status(image: Image, scene: Scene) -> None:
    total_ms = sum(scene.stages_ms.values())
    stages = "  ".join(f"{name} {value:.1f}" for name, value in scene.stages_ms.items())
    line = f"#{scene.frame_index}  {total_ms:.1f} ms"
    if image.shape[1] >= 600:
        line += f"  ({stages})"
    height = _draw_text(image, line, (0, 0), _PLATE)
    for row, text in enumerate(lines_of(scene.classifications), start=2):
        _draw_text(image, text, (0, row * height), _PLATE)


def lines_of(classifications: Mapping[str, Classification]) -> Iterator[str]:
    """A line a task: the classes that are likelier than not.

    Where exactly one class holds there is always a best one: the scores add up to 1.
    """
    for task, found in classifications.items():
        scored = dict(zip(found.classes, found.scores.tolist(), strict=True))
        likely = [name for name, score in scored.items() if score > 0.5]
        if not likely and math.isclose(sum(scored.values()), 1.0, abs_tol=1e-4):
            likely = [found.best]
        if likely:
            yield f"{task}: " + ", ".join(f"{name} {scored[name]:.2f}" for name in likely)


def _draw_text(image: Image, text: str, above: tuple[int, int], plate: _Colour) -> int:
    """Text on a plate that stands on the point `above`, moved to where all of it is visible.

    Returns the height of the plate in pixels.
    """
    height, width = image.shape[:2]
    scale = max(0.38, min(height, width) / 1100)
    stroke = max(1, round(scale * 1.4))
    text_width = cv2.getTextSize(text, _FONT, scale, stroke)[0][0]
    # From OpenCV 5 on, a text without "g" has another descent: all plates get the same height.
    (_, text_height), descent = cv2.getTextSize("(gjpq|", _FONT, scale, stroke)
    margin = max(2, round(scale * 5))
    plate_width: int = text_width + 2 * margin
    plate_height: int = text_height + descent + margin
    x = max(0, min(above[0], width - plate_width))
    y = max(0, min(above[1] - plate_height, height - plate_height))
    cv2.rectangle(image, (x, y), (x + plate_width, y + plate_height), plate, cv2.FILLED)
    blue, green, red = plate
    light = 0.114 * blue + 0.587 * green + 0.299 * red > 128
    origin = x + margin, y + text_height + margin // 2 + 1
    cv2.putText(image, text, origin, _FONT, scale, _BLACK if light else _WHITE, stroke, cv2.LINE_AA)
    return plate_height


def _line_width(image: Image) -> int:
    height, width = image.shape[:2]
    return max(1, round(int(min(height, width)) / 360))
