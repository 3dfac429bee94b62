"""`Feed`: one camera for those who watch it, encoded once for all and only while somebody does."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from edge_mtl.runtime.draw import Annotator, lines_of
from edge_mtl.runtime.palette import Tint, tints_of
from edge_mtl.runtime.sinks.label_png import label_png
from edge_mtl.runtime.sources import Frame
from edge_mtl.runtime.stick_figure import MIN_SCORE, colour_of, limbs_of
from edge_mtl.runtime.vitals import Vitals
from edge_mtl.scene import Scene
from edge_mtl.scene_record import SceneRecord

Image: TypeAlias = NDArray[np.uint8]

_WIDEST, _WIDEST_MASK = 1280, 640
_QUALITY = 80


@dataclass(eq=False, slots=True)
class Viewer:
    """Somebody who watches: whether with the page, which draws for itself, and its masks."""

    draws: bool
    masks: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """A scene as it is sent: for the page, and as a picture with everything drawn in; by its number
    in the feed. What nobody wants is empty."""

    number: int
    packed: bytes
    drawn: bytes


class Feed:
    """The newest scene of a camera.

    `publish` belongs to the thread of the sink, everything else to that of the server's loop.
    """

    def __init__(self, vitals: Vitals, annotate: Annotator) -> None:
        self.camera = vitals.camera
        self.vitals = vitals
        self._annotate = annotate
        self._viewers: frozenset[Viewer] = frozenset()
        self._newest = Message(0, b"", b"")
        self._news = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def watch(self, viewer: Viewer) -> None:
        """Encode for one more, from the next scene on."""
        self._loop = asyncio.get_running_loop()
        self._viewers |= {viewer}

    def leave(self, viewer: Viewer) -> None:
        """Encode for one less."""
        self._viewers -= {viewer}

    async def after(self, number: int, timeout_s: float) -> Message | None:
        """The newest message, once there is one behind `number`; None where none came in time."""
        if self._newest.number <= number:
            try:
                await asyncio.wait_for(self._news.wait(), timeout_s)
            except (TimeoutError, asyncio.TimeoutError):
                return None
        return self._newest

    def publish(self, scene: Scene, frame: Frame) -> None:
        """Encode a scene for those who watch and let them know."""
        viewers, loop = self._viewers, self._loop
        if not viewers or loop is None:
            return
        packed = drawn = b""
        if any(viewer.draws for viewer in viewers):
            packed = self._pack(scene, frame.image, any(viewer.masks for viewer in viewers))
        if not all(viewer.draws for viewer in viewers):
            drawn = _jpeg(self._annotate(scene, frame.image))
        message = Message(self._newest.number + 1, packed, drawn)
        try:
            loop.call_soon_threadsafe(self._announce, message)
        except RuntimeError:  # the loop has been closed: the server is about to stop
            self._viewers = frozenset()

    def _announce(self, message: Message) -> None:
        self._newest = message
        self._news.set()
        self._news = asyncio.Event()

    def _pack(self, scene: Scene, image: Image, with_masks: bool) -> bytes:
        """A header in JSON behind its length (uint32, little-endian), then what it lists."""
        parts = [_jpeg(image)]
        if with_masks:
            parts += [
                label_png(_shrunk(mask.labels), tints_of(mask.classes))
                for mask in scene.masks.values()
            ]
        header = {
            "scene": SceneRecord.of(scene, self.camera),
            "vitals": self.vitals.to_json(),
            "colours": _colours(scene),
            "limbs": _limbs(scene),
            "lines": list(lines_of(scene.classifications)),
            "min_keypoint_score": MIN_SCORE,
            "bytes": [len(part) for part in parts],
        }
        encoded = msgspec.json.encode(header)
        return b"".join((struct.pack("<I", len(encoded)), encoded, *parts))


def _jpeg(image: Image) -> bytes:
    height, width = image.shape[:2]
    if width > _WIDEST:
        size = _WIDEST, max(1, round(height * _WIDEST / width))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    _, encoded = cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, _QUALITY))
    return bytes(encoded)


def _shrunk(labels: Image) -> Image:
    height, width = labels.shape
    if width <= _WIDEST_MASK:
        return labels
    size = _WIDEST_MASK, max(1, round(height * _WIDEST_MASK / width))
    shrunk: Image = cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST)
    return shrunk


def _colours(scene: Scene) -> dict[str, str]:
    """The colour of every class of boxes, as CSS has it."""
    return {
        name: _css(tint)
        for found in scene.detections.values()
        for name, tint in zip(found.classes, tints_of(found.classes), strict=True)
    }


def _css(tint: Tint) -> str:
    return "#{:02x}{:02x}{:02x}".format(*tint.rgb)


def _limbs(scene: Scene) -> Mapping[str, Any]:
    """By pose task, the pairs of keypoints that are joined and the colours of both."""
    return {
        task: {
            "joined": [
                [poses.keypoints[a], poses.keypoints[b], _css_of_bgr(bgr)]
                for a, b, bgr in limbs_of(poses.keypoints)
            ],
            "colours": {name: _css_of_bgr(colour_of(name)) for name in poses.keypoints},
        }
        for task, poses in scene.poses.items()
    }


def _css_of_bgr(bgr: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*bgr[::-1])
