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
_Plate: TypeAlias = tuple[int, int, int, int]
"""x1 y1 x2 y2 of what a text is written on."""

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_EDGED_PX = 300  # the shorter side from which boxes get dark edges; they would fill smaller ones
_SCORED_PX = 480  # the width from which labels have scores
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
    edged = min(image.shape[:2]) >= _EDGED_PX
    corners = np.round(detections.boxes).astype(int).tolist()
    class_ids = detections.class_ids.tolist()
    # The best box last, so that it lies on top.
    for box, class_id in reversed(list(zip(corners, class_ids, strict=True))):
        if edged:
            cv2.rectangle(image, box[:2], box[2:], _BLACK, width + 2)
        cv2.rectangle(image, box[:2], box[2:], colours[class_id], width)
    # The best label first: one that would cover another is moved below its box, or left out.
    taken: list[_Plate] = []
    labels = detections.captions(with_scores=image.shape[1] >= _SCORED_PX)
    for box, class_id, label in zip(corners, class_ids, labels, strict=True):
        plate_width, plate_height = _plate_size(image, label)
        for top in (box[1] - plate_height, box[3]):
            plate = _inside(image, (box[0], top), (plate_width, plate_height))
            if not any(_overlap(plate, other) for other in taken):
                taken.append(plate)
                _draw_text(image, label, plate, colours[class_id])
                break


def _draw_status(image: Image, scene: Scene) -> None:
    total_ms = sum(scene.stages_ms.values())
    stages = "  ".join(f"{name} {value:.1f}" for name, value in scene.stages_ms.items())
    line = f"#{scene.frame_index}  {total_ms:.1f} ms{'  degraded' * scene.degraded}"
    if image.shape[1] >= 600:
        line += f"  ({stages})"
    top = 0
    for text in (line, *lines_of(scene.classifications)):
        size = _plate_size(image, text)
        _draw_text(image, text, _inside(image, (0, top), size), _PLATE)
        top += size[1]


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


def _type_size(image: Image) -> tuple[float, int]:
    """The scale and the stroke of the letters."""
    scale = max(0.38, min(image.shape[:2]) / 1100)
    return scale, max(1, round(scale * 1.4))


def _plate_size(image: Image, text: str) -> tuple[int, int]:
    """Width and height in pixels of the plate that a text needs."""
    scale, stroke = _type_size(image)
    text_width = cv2.getTextSize(text, _FONT, scale, stroke)[0][0]
    # From OpenCV 5 on, a text without "g" has another descent: all plates get the same height.
    (_, text_height), descent = cv2.getTextSize("(gjpq|", _FONT, scale, stroke)
    margin = _margin(scale)
    return text_width + 2 * margin, text_height + descent + margin


def _margin(scale: float) -> int:
    return max(2, round(scale * 5))


def _inside(image: Image, top_left: tuple[int, int], size: tuple[int, int]) -> _Plate:
    """A plate of that size, moved to where all of it is visible."""
    height, width = image.shape[:2]
    x = max(0, min(top_left[0], width - size[0]))
    y = max(0, min(top_left[1], height - size[1]))
    return x, y, x + size[0], y + size[1]


def _overlap(one: _Plate, other: _Plate) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _draw_text(image: Image, text: str, plate: _Plate, colour: _Colour) -> None:
    """Fill a plate that is as large as `_plate_size` says, and write on it."""
    scale, stroke = _type_size(image)
    (_, text_height), _ = cv2.getTextSize("(gjpq|", _FONT, scale, stroke)
    x1, y1, x2, y2 = plate
    cv2.rectangle(image, (x1, y1), (x2 - 1, y2 - 1), colour, cv2.FILLED)
    blue, green, red = colour
    light = 0.114 * blue + 0.587 * green + 0.299 * red > 128
    margin = _margin(scale)
    origin = x1 + margin, y1 + text_height + margin // 2 + 1
    cv2.putText(image, text, origin, _FONT, scale, _BLACK if light else _WHITE, stroke, cv2.LINE_AA)


def _line_width(image: Image) -> int:
    height, width = image.shape[:2]
    return max(1, round(int(min(height, width)) / 360))
