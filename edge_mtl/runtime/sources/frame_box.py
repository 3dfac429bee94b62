"""Frames on their way from the thread that captures to the one that reads."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from edge_mtl.errors import EdgeMtlError
from edge_mtl.runtime.sources import Frame

_SLICE_S = 0.1


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
        self._error: EdgeMtlError | None = None
        self._stopped = False

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

    def read(self, meanwhile: Callable[[float], None] = lambda waited_s: None) -> Frame | None:
        """Wait for the oldest frame; None once the box is stopped, or empty and at its end.

        Args:
            meanwhile: called every tenth of a second of waiting, with the seconds since before.

        Raises:
            EdgeMtlError: that with which the box ended.
        """
        while not self._stopped:
            start = time.monotonic()
            with self._changed:
                self._reading = True
                self._changed.wait_for(lambda: self._frames or self._ended, _SLICE_S)
                if self._frames:
                    self._changed.notify_all()
                    return self._frames.popleft()
                if self._ended:
                    if self._error is not None:
                        raise self._error
                    return None
            meanwhile(time.monotonic() - start)
        return None

    def stop(self) -> None:
        """Let `read` return None from now on, after a tenth of a second at most.

        From any thread, and from a signal handler: it takes no lock, which the thread that was
        interrupted might hold.
        """
        self._stopped = True

    def end(self, error: EdgeMtlError | None = None) -> None:
        """Take no more frames. Those inside can still be read; `error` is raised behind them."""
        with self._changed:
            if not self._ended:
                self._error = error
            self._ended = True
            self._changed.notify_all()
