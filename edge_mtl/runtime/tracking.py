"""`Tracker`: the same number for the same thing in every frame (Zhang et al., ByteTrack, 2022,
arXiv:2110.06864), as the package `trackers` (Apache-2.0) has it."""

from __future__ import annotations

import time

import msgspec
import numpy as np
from trackers import ByteTrackTracker

from edge_mtl.scene import Detections, Scene

LOST_S = 1.0
"""How long a thing may be out of sight and keep its number."""
SURE = 0.5
"""The score from which a box begins a track; less sure ones only continue those that are there."""

_PACKAGE_FPS = 30  # its buffer of lost tracks is counted at this pace


class Tracker:
    """Numbers the boxes of every detection task, each for itself, in the order of the frames.

    A box gets its number in the second frame in a row in which it was found. Frames that were
    dropped are made up for, by the numbers of those that were not. Boxes of one task are told apart
    by where they are and not by their class, which may waver.

    Args:
        frames_per_second: the pace of the source.
    """

    def __init__(self, frames_per_second: float) -> None:
        self._frames_per_second = frames_per_second
        self._by_task: dict[str, ByteTrackTracker] = {}

    def __call__(self, scene: Scene) -> Scene:
        """The scene with `track_ids` in its detections, and the time that it took in its stages."""
        start_ns = time.perf_counter_ns()
        detections = {
            task: self._number(task, found, scene) for task, found in scene.detections.items()
        }
        took_ms = (time.perf_counter_ns() - start_ns) / 1e6
        return msgspec.structs.replace(
            scene, detections=detections, stages_ms={**scene.stages_ms, "track": took_ms}
        )

    def _number(self, task: str, found: Detections, scene: Scene) -> Detections:
        tracker = self._by_task.get(task)
        if tracker is None:
            tracker = self._by_task[task] = ByteTrackTracker(
                frame_rate=self._frames_per_second,
                lost_track_buffer=round(LOST_S * _PACKAGE_FPS),
                track_activation_threshold=SURE,
                high_conf_det_threshold=SURE,
            )
        given = scene.to_supervision(task)
        given.tracker_id = None
        given.data = {"row": np.arange(len(found))}  # the package may change their order
        numbered = tracker.update(given, timestamp=scene.frame_index / self._frames_per_second)
        track_ids = np.full(len(found), -1, np.int32)
        if len(numbered) and numbered.tracker_id is not None:
            track_ids[numbered.data["row"]] = numbered.tracker_id
        return msgspec.structs.replace(found, track_ids=track_ids)
