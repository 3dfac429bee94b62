"""A file that plays like a camera: its frames come when they come, whoever is ready for them."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

from edge_mtl.errors import EdgeMtlError
from edge_mtl.runtime.sources import Frame, Source
from edge_mtl.runtime.sources.frame_box import FrameBox

_CLOSE_S = 0.6


class PacedSource:
    """Gives the frames of `source` at a rate of its own and drops those that nobody takes in time.

    The clock starts at the first `read`. Where the file cannot be read as fast, it sets the pace.
    See `Source`.
    """

    live = True

    def __init__(self, source: Source, frames_per_second: float) -> None:
        self.name = source.name
        self.frames_per_second = frames_per_second
        self.length = source.length
        self.health = source.health
        self._source = source
        self._box = FrameBox()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._play, name=f"pace {self.name}", daemon=True)

    def read(self) -> Frame | None:
        """Wait for the next frame and take the newest; None at the end.

        Raises:
            EdgeMtlError: as of the source.
        """
        if not self._thread.ident and not self._closing.is_set():
            self._thread.start()
        return self._box.read()

    def stop(self) -> None:
        """See `Source`."""
        self._box.stop()

    def close(self) -> None:
        """End the thread and close the source."""
        self._closing.set()
        self._box.stop()
        self._box.end()
        if self._thread.ident:
            self._thread.join(_CLOSE_S)
        if not self._thread.is_alive():
            self._source.close()

    def _play(self) -> None:
        due = time.monotonic()
        try:
            while (frame := self._source.read()) is not None:
                if self._closing.wait(max(0.0, due - time.monotonic())):
                    return
                due = max(due + 1 / self.frames_per_second, time.monotonic())
                self.health.drop(self._box.put(replace(frame, captured_ns=time.monotonic_ns())))
        except EdgeMtlError as error:
            self._box.end(error)
        finally:
            self._box.end()
