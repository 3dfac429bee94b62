"""`Looped`: frames in memory, over and over, so that no decoder is in the way."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from edge_mtl.runtime.sources import Frame, Health


class Looped:
    """Gives `frames` in turn until `seconds` after the first; see `Source`."""

    live = False
    length: int | None = None

    def __init__(self, frames: Sequence[Frame], seconds: float, frames_per_second: float) -> None:
        self.name = "frames in memory"
        self.frames_per_second = frames_per_second
        self.health = Health()
        self.given = 0
        self._frames = frames
        self._seconds = seconds
        self._until: float | None = None

    def read(self) -> Frame | None:
        """The next frame, captured now; None once the time is over."""
        now = time.monotonic()
        if self._until is None:
            self._until = now + self._seconds
        if now >= self._until:
            self.health.enter("ended")
            return None
        frame = self._frames[self.given % len(self._frames)]
        self.given += 1
        return replace(frame, index=self.given - 1, captured_ns=time.monotonic_ns())

    def stop(self) -> None:
        """See `Source`."""
        self._until = 0.0

    def close(self) -> None:
        """See `Source`."""
        self._until = 0.0
