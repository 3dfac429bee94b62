"""Scenes in an MCAP file, with the schemas of Foxglove."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import msgspec
from foxglove_schemas_protobuf.CompressedImage_pb2 import CompressedImage
from foxglove_schemas_protobuf.ImageAnnotations_pb2 import ImageAnnotations
from foxglove_schemas_protobuf.Point2_pb2 import Point2
from foxglove_schemas_protobuf.PointsAnnotation_pb2 import PointsAnnotation
from google.protobuf.descriptor_pb2 import FileDescriptorSet  # type: ignore[import-untyped]
from google.protobuf.message import Message  # type: ignore[import-untyped]
from mcap.well_known import MessageEncoding, SchemaEncoding
from mcap.writer import Writer

from edge_mtl.errors import EdgeMtlError
from edge_mtl.json_schema import json_schema
from edge_mtl.runtime.palette import tints_of
from edge_mtl.runtime.sinks.label_png import label_png
from edge_mtl.runtime.sinks.room import check_room
from edge_mtl.runtime.sources import Frame
from edge_mtl.runtime.stick_figure import MIN_SCORE, limbs_of
from edge_mtl.scene import Detections, Poses, Scene
from edge_mtl.scene_record import SceneRecord
from edge_mtl.timing import rfc_3339, wall_clock_ns

if TYPE_CHECKING:
    from google.protobuf.descriptor import FileDescriptor  # type: ignore[import-untyped]
    from google.protobuf.timestamp_pb2 import Timestamp  # type: ignore[import-untyped]

_QUALITY = 85
_LINE_PX, _FONT_PX = 2.0, 14.0
_TEXT_RGB, _PLATE_RGB = (255, 255, 255), (0, 0, 0)


class McapSink:
    """Writes below the name of the camera: `image` and `masks/TASK` (foxglove.CompressedImage),
    `annotations` (foxglove.ImageAnnotations: boxes and poses), and `scene`, a `SceneRecord` in JSON
    with its schema, of whose numbers Foxglove draws charts.

    Times are those of capture, by the wall clock. A file that was not closed, as after a loss of
    power, lacks its index and the last megabyte; `mcap.stream_reader` reads the rest.

    Args:
        path: overwritten.
        camera: its name.

    Raises:
        EdgeMtlError: the file cannot be written.
    """

    def __init__(self, path: Path, camera: str) -> None:
        self._path = path
        self._camera = camera
        self._topic = "/" + (re.sub(r"[^\w.-]+", "_", camera).strip("_") or "camera")
        self._channels: dict[str, int] = {}
        self._schemas: dict[str, int] = {}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("wb")
        except OSError as error:
            raise EdgeMtlError(
                f"{path}: expected a file that can be written, found: {error.strerror}; choose "
                "another place for the MCAP file"
            ) from None
        self._writer = Writer(self._file)
        self._writer.start(profile="", library="edge-mtl")

    def write(self, scene: Scene, frame: Frame) -> None:
        """Append one scene.

        Raises:
            EdgeMtlError: the disk is nearly full; the file can still be closed.
        """
        check_room(self._path)
        at_ns = wall_clock_ns(scene.captured_ns) if scene.captured_ns else 0
        _, encoded = cv2.imencode(".jpg", frame.image, (cv2.IMWRITE_JPEG_QUALITY, _QUALITY))
        self._write_image("image", encoded.tobytes(), "jpeg", at_ns)
        for task, mask in scene.masks.items():
            png = label_png(mask.labels, tints_of(mask.classes))
            self._write_image(f"masks/{task}", png, "png", at_ns)
        annotations = ImageAnnotations()
        for found in scene.detections.values():
            _add_boxes(annotations, found, at_ns)
        for poses in scene.poses.values():
            _add_poses(annotations, poses, at_ns)
        self._write_message("annotations", annotations, at_ns)
        record = SceneRecord.of(scene, self._camera, rfc_3339(at_ns) if at_ns else None)
        self._write_record(record, at_ns)

    def close(self) -> None:
        """Write the index and close the file."""
        self._writer.finish()
        self._file.close()

    def _write_image(self, name: str, data: bytes, format_: str, at_ns: int) -> None:
        image = CompressedImage(data=data, format=format_, frame_id=self._camera)
        _set_time(image.timestamp, at_ns)
        self._write_message(name, image, at_ns)

    def _write_message(self, name: str, message: Message, at_ns: int) -> None:
        if name not in self._channels:
            kind = message.DESCRIPTOR.full_name
            if kind not in self._schemas:
                files = _with_dependencies(message.DESCRIPTOR.file)
                self._schemas[kind] = self._writer.register_schema(
                    kind, SchemaEncoding.Protobuf, files.SerializeToString()
                )
            self._open_channel(name, MessageEncoding.Protobuf, self._schemas[kind])
        self._append(name, message.SerializeToString(), at_ns)

    def _write_record(self, record: SceneRecord, at_ns: int) -> None:
        if "scene" not in self._channels:
            schema_id = self._writer.register_schema(
                "edge_mtl.Scene",
                SchemaEncoding.JSONSchema,
                msgspec.json.encode(json_schema(SceneRecord)),
            )
            self._open_channel("scene", MessageEncoding.JSON, schema_id)
        self._append("scene", msgspec.json.encode(record), at_ns)

    def _open_channel(self, name: str, encoding: str, schema_id: int) -> None:
        topic = f"{self._topic}/{name}"
        self._channels[name] = self._writer.register_channel(topic, encoding, schema_id)

    def _append(self, name: str, data: bytes, at_ns: int) -> None:
        self._writer.add_message(self._channels[name], at_ns, data, at_ns)


def _with_dependencies(file: FileDescriptor) -> FileDescriptorSet:
    """The file of a message and those that it imports, each behind what it needs itself."""
    found: dict[str, FileDescriptor] = {}

    def visit(each: FileDescriptor) -> None:
        for needed in each.dependencies:
            visit(needed)
        found.setdefault(each.name, each)

    visit(file)
    files = FileDescriptorSet()
    for each in found.values():
        each.CopyToProto(files.file.add())
    return files


def _set_time(timestamp: Timestamp, at_ns: int) -> None:
    timestamp.seconds, timestamp.nanos = divmod(at_ns, 10**9)


def _add_boxes(to: ImageAnnotations, found: Detections, at_ns: int) -> None:
    tints = tints_of(found.classes)
    for box, class_id, caption in zip(
        found.boxes.tolist(), found.class_ids.tolist(), found.captions(), strict=True
    ):
        x1, y1, x2, y2 = box
        corners = ((x1, y1), (x2, y1), (x2, y2), (x1, y2))
        outline = to.points.add(
            type=PointsAnnotation.LINE_LOOP,
            thickness=_LINE_PX,
            points=[Point2(x=x, y=y) for x, y in corners],
        )
        _set_time(outline.timestamp, at_ns)
        _set_colour(outline.outline_color, tints[class_id].rgb)
        label = to.texts.add(position=Point2(x=x1, y=y1), text=caption, font_size=_FONT_PX)
        _set_time(label.timestamp, at_ns)
        _set_colour(label.text_color, _TEXT_RGB)
        _set_colour(label.background_color, _PLATE_RGB, alpha=0.6)


def _add_poses(to: ImageAnnotations, poses: Poses, at_ns: int) -> None:
    limbs = limbs_of(poses.keypoints)
    for points, seen in zip(poses.points.tolist(), poses.scores >= MIN_SCORE, strict=True):
        for a, b, bgr in limbs:
            if seen[a] and seen[b]:
                limb = to.points.add(type=PointsAnnotation.LINE_STRIP, thickness=_LINE_PX)
                for x, y in (points[a], points[b]):
                    limb.points.add(x=x, y=y)
                _set_time(limb.timestamp, at_ns)
                _set_colour(limb.outline_color, bgr[::-1])


def _set_colour(colour: object, rgb: tuple[int, ...], alpha: float = 1.0) -> None:
    for name, value in zip("rgb", rgb, strict=True):
        setattr(colour, name, value / 255)
    colour.a = alpha  # type: ignore[attr-defined]
