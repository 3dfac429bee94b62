"""`SceneRecord`: a scene as others read it, in plain JSON.

The types below are the schema: `edge_mtl/scene.schema.json` is written from them, and a test holds
the two together. Within a version fields are only ever added; a reader skips what it does not know.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeAlias

import msgspec
from msgspec import Meta

if TYPE_CHECKING:
    from edge_mtl.scene import Detections, Poses, Scene

VERSION = 1

_Pixels: TypeAlias = float
_Share: TypeAlias = Annotated[float, Meta(ge=0, le=1)]


class BoxRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """One box."""

    name: Annotated[str, Meta(description="The class.")] = msgspec.field(name="class")
    score: _Share
    box: Annotated[
        tuple[_Pixels, _Pixels, _Pixels, _Pixels],
        Meta(description="x1 y1 x2 y2 in pixels of the frame; pixel i covers [i, i + 1)."),
    ]
    track: Annotated[
        int | None,
        Meta(description="The same thing has the same number in every frame; left out unknown."),
    ] = None


class PoseRecord(msgspec.Struct, frozen=True):
    """The keypoints of one box."""

    detection: Annotated[
        int, Meta(description="The box: an index into the boxes of the pose task's detections.")
    ]
    keypoints: Annotated[
        dict[str, tuple[_Pixels, _Pixels, _Share]],
        Meta(description="By name: x, y in pixels of the frame, and how sure it is to be seen."),
    ]


class SceneRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was seen in one frame: one line of a file of JSON lines."""

    version: Annotated[int, Meta(description="Of this schema.", ge=1)]
    frame: Annotated[int, Meta(description="The number of the frame in its source, from 0.")]
    captured_ns: Annotated[
        int, Meta(description="When it was captured, by the machine's monotonic clock; 0 unknown.")
    ]
    width: Annotated[int, Meta(description="Of the frame, in pixels.")]
    height: Annotated[int, Meta(description="Of the frame, in pixels.")]
    detections: Annotated[
        dict[str, list[BoxRecord]], Meta(description="By task, the best score first.")
    ]
    masks: Annotated[
        dict[str, dict[str, _Share]],
        Meta(description="By task and class, the share of the frame that it covers."),
    ]
    poses: Annotated[dict[str, list[PoseRecord]], Meta(description="By task.")]
    classifications: Annotated[
        dict[str, dict[str, _Share]], Meta(description="By task and class, the score.")
    ]
    stages_ms: Annotated[
        dict[str, float], Meta(description="How long each stage took, in milliseconds.")
    ]
    camera: Annotated[str | None, Meta(description="The name of the camera.")] = None
    captured_at: Annotated[
        str | None, Meta(description="When it was captured, by the wall clock, as RFC 3339.")
    ] = None
    degraded: Annotated[
        bool,
        Meta(
            description="A lighter network looked at it, because scenes came too late; tasks that "
            "it does not have are missing. Left out where false."
        ),
    ] = False

    @classmethod
    def of(
        cls, scene: Scene, camera: str | None = None, captured_at: str | None = None
    ) -> SceneRecord:
        """What a scene is to others; numbers are rounded to what they can tell."""
        return cls(
            version=VERSION,
            frame=scene.frame_index,
            captured_ns=scene.captured_ns,
            width=scene.size[0],
            height=scene.size[1],
            detections={task: _boxes(found) for task, found in scene.detections.items()},
            masks={
                task: {name: round(share, 5) for name, share in mask.shares().items()}
                for task, mask in scene.masks.items()
            },
            poses={task: _poses(poses) for task, poses in scene.poses.items()},
            classifications={
                task: {
                    name: round(score, 4)
                    for name, score in zip(found.classes, found.scores.tolist(), strict=True)
                }
                for task, found in scene.classifications.items()
            },
            stages_ms={name: round(value, 3) for name, value in scene.stages_ms.items()},
            camera=camera,
            captured_at=captured_at,
            degraded=scene.degraded,
        )


def _boxes(found: Detections) -> list[BoxRecord]:
    tracks = [None] * len(found) if found.track_ids is None else found.track_ids.tolist()
    return [
        BoxRecord(
            found.classes[class_id],
            round(score, 4),
            (round(x1, 2), round(y1, 2), round(x2, 2), round(y2, 2)),
            None if track is None or track < 0 else track,
        )
        for (x1, y1, x2, y2), score, class_id, track in zip(
            found.boxes.tolist(),
            found.scores.tolist(),
            found.class_ids.tolist(),
            tracks,
            strict=True,
        )
    ]


def _poses(poses: Poses) -> list[PoseRecord]:
    return [
        PoseRecord(
            row,
            {
                name: (round(x, 2), round(y, 2), round(score, 4))
                for name, (x, y), score in zip(poses.keypoints, points, scores, strict=True)
            },
        )
        for row, points, scores in zip(
            poses.rows.tolist(), poses.points.tolist(), poses.scores.tolist(), strict=True
        )
    ]
