"""`Scene`: what was seen in one frame, in the frame's own pixels.

Made in every frame, and so of msgspec's structs: a frozen dataclass takes ten times as long.
`msgspec.structs.replace` gives a changed copy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge_mtl.errors import UsageError
from edge_mtl.scene_record import SceneRecord

if TYPE_CHECKING:
    import supervision

_FEW_CLASSES = 24
"""Up to here counting class by class, in vectors, is faster than a histogram."""


class Detections(msgspec.Struct, frozen=True):
    """The boxes of one detection task, best score first.

    boxes: (N, 4) float32, x1 y1 x2 y2 in pixels of the frame, inside the frame.
    scores: (N,) float32 in [0, 1].
    class_ids: (N,) int32, indices into `classes`.
    track_ids: (N,) int32, the same number for the same thing in every frame, -1 where it is not
        known; None where nobody tracks.
    """

    classes: tuple[str, ...]
    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    class_ids: NDArray[np.int32]
    track_ids: NDArray[np.int32] | None = None

    def __len__(self) -> int:
        return len(self.scores)

    def captions(self, with_scores: bool = True) -> list[str]:
        """What to write at every box: its class, its track where it has one, and its score."""
        names = [self.classes[class_id] for class_id in self.class_ids.tolist()]
        if self.track_ids is not None:
            tracks = [f" #{track}" if track >= 0 else "" for track in self.track_ids.tolist()]
            names = [name + track for name, track in zip(names, tracks, strict=True)]
        if not with_scores:
            return names
        scores = self.scores.tolist()
        return [f"{name} {score:.2f}" for name, score in zip(names, scores, strict=True)]


class Mask(msgspec.Struct, frozen=True):
    """The result of one segmentation task: (H, W) uint8 indices into `classes`.

    At the frame's size, or at the network's input size without its padding where the pipeline
    was opened so.
    """

    classes: tuple[str, ...]
    labels: NDArray[np.uint8]

    def shares(self) -> dict[str, float]:
        """The share of the picture that each class covers; the classes that are absent left out."""
        if len(self.classes) <= _FEW_CLASSES:
            counts = [int(np.count_nonzero(self.labels == i)) for i in range(len(self.classes))]
        else:
            counts = np.bincount(self.labels.ravel(), minlength=len(self.classes)).tolist()
        total = self.labels.size
        return {name: n / total for name, n in zip(self.classes, counts, strict=True) if n}


class Poses(msgspec.Struct, frozen=True):
    """The keypoints of one pose task: of those boxes of its detection task that have some.

    keypoints: the names of the K keypoints of a pose.
    rows: (N,) int32, the box of each pose: a row of the `Detections`, in their order.
    points: (N, K, 2) float32, x y in pixels of the frame; hidden ones may lie outside it.
    scores: (N, K) float32 in [0, 1], how sure it is that the keypoint can be seen.
    """

    keypoints: tuple[str, ...]
    rows: NDArray[np.int32]
    points: NDArray[np.float32]
    scores: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.rows)


class Classification(msgspec.Struct, frozen=True):
    """The result of one classification task: (C,) float32 in [0, 1], how sure each class is.

    They add up to 1 where exactly one class holds (softmax), not where several may (sigmoid).
    """

    classes: tuple[str, ...]
    scores: NDArray[np.float32]

    @property
    def best(self) -> str:
        """The surest class."""
        return self.classes[int(self.scores.argmax())]


class Scene(msgspec.Struct, frozen=True):
    """Everything that the network saw in one frame.

    size: (width, height) of the frame in pixels.
    detections, masks, poses, classifications: by the name of the task.
    frame_index: the number of the frame in its source, from 0.
    captured_ns: when the frame was captured (`time.monotonic_ns`), 0 where unknown.
    stages_ms: how long each stage took: "preprocess", "engine", "head".
    degraded: a lighter network looked at the frame, because scenes came too late; tasks that it
        does not have are missing. See `edge_mtl.runtime.degrading`.
    """

    size: tuple[int, int]
    detections: dict[str, Detections]
    masks: dict[str, Mask]
    poses: dict[str, Poses] = msgspec.field(default_factory=dict)
    classifications: dict[str, Classification] = msgspec.field(default_factory=dict)
    frame_index: int = 0
    captured_ns: int = 0
    stages_ms: dict[str, float] = msgspec.field(default_factory=dict)
    degraded: bool = False

    @property
    def posed(self) -> Detections:
        """The boxes that the rows of `poses` count: those of the only detection task.

        A scene does not say which one it is where there are several; then it is the one that is
        called "detection", as `PoseTask` has it where nothing else is said, or the first.
        """
        name = "detection" if "detection" in self.detections else next(iter(self.detections))
        return self.detections[name]

    def to_supervision(self, task: str | None = None) -> supervision.Detections:
        """The boxes of a detection task as the package `supervision` has them.

        With scores, class ids, `data["class_name"]`, and `tracker_id` where the boxes are tracked.

        Args:
            task: its name; may be left out where there is only one.

        Raises:
            UsageError: there is no such task, or several and none is named.
        """
        import supervision

        if task is None and len(self.detections) == 1:
            [task] = self.detections
        if task not in self.detections:
            raise UsageError(
                f"expected the name of a detection task, one of {', '.join(self.detections)}, "
                f"found {task!r}"
            )
        found = self.detections[task]
        return supervision.Detections(
            xyxy=found.boxes,
            confidence=found.scores,
            class_id=found.class_ids,
            tracker_id=found.track_ids,
            data={"class_name": np.array(found.classes)[found.class_ids]},
        )

    def to_json(self) -> dict[str, Any]:
        """A dictionary of plain numbers, strings and lists; see `scene_record.SceneRecord`."""
        plain: dict[str, Any] = msgspec.to_builtins(SceneRecord.of(self))
        return plain
