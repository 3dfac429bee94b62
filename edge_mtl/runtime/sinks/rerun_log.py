"""Scenes for Rerun: a recording (.rrd), or a viewer that is running."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import cv2
import numpy as np
import rerun as rr
from numpy.typing import NDArray

from edge_mtl.errors import EdgeMtlError, UsageError
from edge_mtl.runtime.palette import tints_of
from edge_mtl.runtime.sinks.room import check_room
from edge_mtl.runtime.sources import Frame
from edge_mtl.runtime.stick_figure import MIN_SCORE, limbs_of
from edge_mtl.scene import Detections, Mask, Poses, Scene
from edge_mtl.timing import wall_clock_ns

_QUALITY = 85
_CONNECT_S, _FLUSH_S = 3.0, 10.0


class RerunSink:
    """Logs picture, masks, boxes, poses, classifications and latencies of every scene.

    All of a camera lies below its name; time runs by the number of the frame ("frame") and by the
    wall clock at its capture ("captured").

    Args:
        target: a path that ends in .rrd, which is overwritten, or HOST:PORT of a viewer.
        camera: its name.

    Raises:
        UsageError: the target is neither.
        EdgeMtlError: the file cannot be written, or there is no viewer.
    """

    def __init__(self, target: str, camera: str) -> None:
        self._target = target
        self._camera = camera
        self._legends: dict[str, tuple[str, ...]] = {}
        self._recording = rr.RecordingStream("edge-mtl")
        self._path: Path | None = None
        if target.endswith(".rrd"):
            self._path = Path(target)
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._path.open("wb").close()
            except OSError as error:
                raise EdgeMtlError(
                    f"{target}: expected a file that can be written, found: {error.strerror}; "
                    "choose another place for the recording"
                ) from None
            self._recording.save(self._path)
            return
        address = re.fullmatch(r"\[?([^/\s\]]+)\]?:(\d+)", target)
        if address is None:
            raise UsageError(
                f"--rerun {target}: expected a file that ends in .rrd, or HOST:PORT of a viewer, "
                "as in 127.0.0.1:9876"
            )
        _check_viewer(target, address[1], int(address[2]))
        self._recording.connect_grpc(f"rerun+http://{target}/proxy")

    def write(self, scene: Scene, frame: Frame) -> None:
        """Log one scene, and for a viewer wait until it has left.

        Raises:
            EdgeMtlError: the disk is nearly full, or the viewer is not there.
        """
        if self._path is not None:
            check_room(self._path)
        self._recording.set_time("frame", sequence=scene.frame_index)
        if scene.captured_ns:
            at = np.datetime64(wall_clock_ns(scene.captured_ns), "ns")
            self._recording.set_time("captured", timestamp=at)
        self._log_image(frame.image)
        for task, mask in scene.masks.items():
            self._log_mask(task, mask, scene.size)
        for task, found in scene.detections.items():
            self._log(task, _boxes(found))
        for task, poses in scene.poses.items():
            self._log_poses(task, poses)
        for task, classes in scene.classifications.items():
            for name, score in zip(classes.classes, classes.scores.tolist(), strict=True):
                self._log(("classifications", task, name), rr.Scalars(score))
        for stage, latency_ms in scene.stages_ms.items():
            self._log(("latency_ms", stage), rr.Scalars(latency_ms))
        if self._path is None:
            # Otherwise what a slow viewer has not taken would gather in memory.
            self._flush()

    def close(self) -> None:
        """Write what is left."""
        self._flush()
        self._recording.disconnect()

    def _flush(self) -> None:
        try:
            self._recording.flush(timeout_sec=_FLUSH_S)
        except RuntimeError as error:
            raise EdgeMtlError(
                f"{self._target}: expected a Rerun viewer that takes the scenes, found: {error}; "
                "start one with: rerun"
            ) from None

    def _log(self, under: str | tuple[str, ...], what: rr.AsComponents) -> None:
        parts = ("image", under) if isinstance(under, str) else under
        self._recording.log([self._camera, *parts], what)

    def _log_image(self, image: NDArray[np.uint8]) -> None:
        _, encoded = cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, _QUALITY))
        picture = rr.EncodedImage(contents=encoded.tobytes(), media_type="image/jpeg")
        self._log(("image",), picture)

    def _log_mask(self, task: str, mask: Mask, size: tuple[int, int]) -> None:
        if self._legends.get(task) != mask.classes:
            self._legends[task] = mask.classes
            self._recording.log([self._camera, "image", task], _legend(mask.classes), static=True)
        labels = mask.labels
        if labels.shape[::-1] != size:
            labels = cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST)
        self._log(task, rr.SegmentationImage(labels))

    def _log_poses(self, task: str, poses: Poses) -> None:
        seen = poses.scores >= MIN_SCORE
        lines, colours = [], []
        for pose, visible in zip(poses.points, seen, strict=True):
            for a, b, bgr in limbs_of(poses.keypoints):
                if visible[a] and visible[b]:
                    lines.append(pose[[a, b]])
                    colours.append(bgr[::-1])
        self._log(task, rr.LineStrips2D(lines, colors=colours))
        names = [poses.keypoints[index] for index in np.nonzero(seen)[1].tolist()]
        points = rr.Points2D(poses.points[seen], labels=names, show_labels=False)
        self._log(("image", task, "joints"), points)


def _check_viewer(target: str, host: str, port: int) -> None:
    """Raise where nobody listens: Rerun itself would say so only after a while."""
    try:
        socket.create_connection((host, port), _CONNECT_S).close()
    except OSError as error:
        raise EdgeMtlError(
            f"--rerun {target}: expected a Rerun viewer there, found: {error.strerror or error}; "
            f"start one with: rerun --port {port}"
        ) from None


def _boxes(found: Detections) -> rr.Boxes2D:
    tints = tints_of(found.classes)
    return rr.Boxes2D(
        array=found.boxes,
        array_format=rr.Box2DFormat.XYXY,
        labels=found.captions(),
        colors=[tints[class_id].rgb for class_id in found.class_ids.tolist()],
    )


def _legend(classes: tuple[str, ...]) -> rr.AnnotationContext:
    return rr.AnnotationContext(
        [
            rr.AnnotationInfo(index, name, (*tint.rgb, round(255 * tint.cover)))
            for index, (name, tint) in enumerate(zip(classes, tints_of(classes), strict=True))
        ]
    )
