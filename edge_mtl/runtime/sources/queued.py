"""Frames that another part of the same process has: a ROS node, a simulator, a test."""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from edge_mtl.errors import EdgeMtlError
from edge_mtl.runtime.sources import Frame, Health
from edge_mtl.runtime.sources.frame_box import FrameBox


class QueueSource:
    """What `put` takes from any thread, `read` gives; see `Source`.

    Args:
        capacity: how many frames may wait.
        newest_wins: whether `put` drops the oldest frame where there is no room, as a camera does,
            or waits until there is.
        frames_per_second: the pace at which frames are meant to come.
    """

    length: int | None = None

    def __init__(
        self,
        name: str = "queue",
        capacity: int = 1,
        newest_wins: bool = True,
        frames_per_second: float = 30.0,
    ) -> None:
        self.name = name
        self.live = newest_wins
        self.frames_per_second = frames_per_second
        self.health = Health("connecting")
        self._box = FrameBox(capacity, newest_wins)
        self._index = 0

    def put(
        self,
        image: NDArray[np.uint8],
        captured_ns: int | None = None,
        planes: Mapping[str, NDArray[np.uint8]] | None = None,
    ) -> None:
        """Add a frame. Once the source is ended or closed it is dropped.

        Args:
            image: (H, W, 3) uint8 BGR, from now on the reader's.
            captured_ns: when it was captured (`time.monotonic_ns`); now if left out.
            planes: see `Frame`.

        Raises:
            EdgeMtlError: the image is no such array.
        """
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise EdgeMtlError(
                f"{self.name}: expected images of shape (H, W, 3), uint8, blue first, found "
                f"{image.shape} {image.dtype}"
            )
        self.health.enter("live")
        stamp_ns = time.monotonic_ns() if captured_ns is None else captured_ns
        frame = Frame(image, self._index, stamp_ns, planes or {})
        self._index += 1
        self.health.drop(self._box.put(frame))

    def end(self) -> None:
        """Let the source end behind the frames that wait."""
        self._box.end()

    def read(self) -> Frame | None:
        """Wait for a frame; None at the end."""
        frame = self._box.read()
        if frame is None:
            self.health.enter("ended")
        return frame

    def stop(self) -> None:
        """See `Source`."""
        self._box.stop()

    def close(self) -> None:
        """End at once."""
        self._box.stop()
        self._box.end()
        self.health.enter("ended")
