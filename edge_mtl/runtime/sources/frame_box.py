"""Frames on their way from the thread that captures to the one that reads."""

from __future__ import annotations

import threading
from collections import deque

from edge_mtl.runtime.sources import Frame


class FrameBox:
    """Holds at most `capacity` frames; of those that wait too long the oldest give way.

    Args:
        capacity: 1 keeps the newest frame only.
        newest_wins: where it is false, `put` waits for room instead.
    """

    def __init__(self, capacity: int = 1, newest_wins: bool = True) -> None:
        self._capacity = capacity
        self._newest_wins = newest_wins
        self._frames: deque[Frame] = deque()
        self._changed = threading.Condition()
        self._reading = False
        self._ended = False

    def put(self, frame: Frame) -> int:
        """Add a frame, unless the box is at its end; how many were dropped for it, 0 or 1.

        A frame that gives way before anybody has read is not counted: nobody was late.
        """
        with self._changed:
            full = len(self._frames) == self._capacity
            if full and not self._newest_wins:
                self._changed.wait_for(lambda: len(self._frames) < self._capacity or self._ended)
                full = False
            if self._ended:
                return 0
            if full:
                self._frames.popleft()
            self._frames.append(frame)
            self._changed.notify_all()
            return int(full and self._reading)

    def take(self, timeout_s: float) -> Frame | None:
        """The oldest frame, if there is one within the time."""
        with self._changed:
            self._reading = True
            self._changed.wait_for(lambda: self._frames or self._ended, timeout_s)
            if not self._frames:
                return None
            frame = self._frames.popleft()
            self._changed.notify_all()
            return frame

    def end(self) -> None:
        """Take no more frames. Those inside can still be taken."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    @property
    def ended(self) -> bool:
        """Whether there will be no more."""
        with self._changed:
            return self._ended and not self._frames
