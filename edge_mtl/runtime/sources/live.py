"""A camera or a stream, read by a thread of its own: the newest frame wins, lost ones come back."""

from __future__ import annotations

import logging
import math
import random
import threading
import time
from collections.abc import Callable
from typing import Annotated, Literal, Protocol

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from edge_mtl.errors import EdgeMtlError, UsageError
from edge_mtl.runtime.sources import Frame, Health
from edge_mtl.runtime.sources.address import mask_in, masked
from edge_mtl.runtime.sources.frame_box import FrameBox

_log = logging.getLogger(__name__)

_USUAL_FPS = 30.0
_CLOSE_S = 0.6
# How long the first connection may take to come about where nothing else is asked for: long enough
# for a camera that is just starting, short enough for one that was misspelt.
_FIRST_CONNECTION_S = 10.0
_FIRST_DELAY_S, _LONGEST_DELAY_S = 0.1, 2.0
# A connection that held as long as this was a good one: after it the delays start anew.
_STEADY_S = 5.0
# A driver that does not come back within its own time-out and this hangs.
_GRACE_S = 1.0
_OPEN_S = 15.0
# A reader looks after the thread ten times a second; what took longer was no waiting.
_LONGEST_WAIT_S = 0.2
# So many threads may hang in a driver before no further one is sent after them.
_MOST_HUNG = 3


class Capture(Protocol):
    """A connection to a camera. It is opened, read and released by one and the same thread.

    frames_per_second: the pace that the device announces; None where it does not.
    """

    frames_per_second: float | None

    def grab(self) -> int | None:
        """Wait for the next frame: when it was captured (`time.monotonic_ns`); None if it is lost.

        Raises:
            EdgeMtlError: it is lost, and this is why.
        """

    def retrieve(self) -> NDArray[np.uint8] | None:
        """The frame that was grabbed, (H, W, 3) uint8 BGR; None where it cannot be decoded."""

    def release(self) -> None:
        """Release the device."""


class LiveOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What every live source understands behind its #.

    queue: how many frames may wait; 1 is the newest only.
    timeout: seconds without a frame after which the connection is taken for lost.
    give_up: seconds of trying to connect after which the source ends with an error, or "never".
        Left out, it is 10 for the first connection and never for a later one.
    """

    queue: Annotated[int, Meta(ge=1, le=1000)] = 1
    timeout: Annotated[float, Meta(ge=0.1, le=60)] = 3.0
    give_up: Annotated[float, Meta(ge=0)] | Literal["never"] | None = None


_Phase = Literal["opening", "reading", "waiting"]


class _Worker(threading.Thread):
    """The thread of a source, with what it is doing: in a driver, or between two tries."""

    def __init__(self, run: Callable[[_Worker], None], name: str) -> None:
        super().__init__(name=f"source {name}", daemon=True)
        self.doing: tuple[_Phase, int] = "waiting", 0
        self._run_as = run

    def run(self) -> None:
        self._run_as(self)

    def enter(self, phase: _Phase) -> None:
        """Note what the thread does next, and that it is another thing than before."""
        self.doing = phase, self.doing[1] + 1


class LiveSource:
    """Takes every frame of a capture as it comes, and connects again when it is lost; see `Source`.

    Every try, the first too, is made by the source's thread, with delays that double from 0.1 to
    2 s and vary by half, so that nobody waits for a driver without a bound. A driver that does not
    return is left to itself and another thread takes over. A frame that cannot be decoded is
    dropped and counted as `skipped`.

    Args:
        address: what is opened; in messages its passwords are masked.
        open_capture: connects, or raises: UsageError where another try is no use, and anything
            else where it may be.
    """

    live = True
    length: int | None = None

    def __init__(
        self,
        address: str,
        open_capture: Callable[[], Capture],
        options: LiveOptions | None = None,
        frames_per_second: float = _USUAL_FPS,
    ) -> None:
        self.name = masked(address)
        self.frames_per_second = frames_per_second
        self.health = Health("connecting")
        self._address = address
        self._open_capture = open_capture
        self._options = options or LiveOptions()
        self._box = FrameBox(self._options.queue)
        self._index = 0
        self._size: tuple[int, int] | None = None
        self._been_live = False
        self._closing = threading.Event()
        self._hung: list[_Worker] = []
        self._silent_s = 0.0
        self._watched: tuple[_Phase, int] = "waiting", 0
        self._send_worker()

    def read(self) -> Frame | None:
        """Wait for a frame that was not given out yet; None once the source is stopped.

        Raises:
            EdgeMtlError: the source was given up; see `LiveOptions`.
        """
        self._silent_s = 0.0
        return self._box.read(self._supervise)

    def stop(self) -> None:
        """See `Source`."""
        self._box.stop()

    def close(self) -> None:
        """End the thread, which releases the device; wait for less than a second."""
        self._closing.set()
        self._box.stop()
        self._box.end()
        self._worker.join(_CLOSE_S)
        if self._worker.is_alive():
            # Releasing the device while its driver is inside a call would crash.
            _log.warning(
                "%s hangs in its driver and is left to it", self.name, extra=self._fields()
            )
        self.health.enter("ended")

    def _send_worker(self) -> None:
        self._worker = _Worker(self._run, self.name)
        self._worker.start()

    def _run(self, worker: _Worker) -> None:
        delay_s = _FIRST_DELAY_S
        while self._is_at_work(worker):
            try:
                reason = self._capture_until_lost(worker)
            except UsageError as error:
                self._end(error)
                return
            except Exception as error:  # of drivers, in whatever shape: the next try may go well
                reason = mask_in(str(error), self._address) or type(error).__name__
            worker.enter("waiting")
            if not self._is_at_work(worker):
                return
            if self.health.state == "live" and self.health.for_s > _STEADY_S:
                delay_s = _FIRST_DELAY_S
            self._note_loss(reason)
            self._give_up_in_time()
            self._closing.wait(delay_s * random.uniform(0.5, 1.0))
            delay_s = min(2 * delay_s, _LONGEST_DELAY_S)

    def _is_at_work(self, worker: _Worker) -> bool:
        """Whether this is still the thread that is to capture."""
        return worker is self._worker and not self._closing.is_set()

    def _capture_until_lost(self, worker: _Worker) -> str:
        """Connect and take frames; why there are no more."""
        worker.enter("opening")
        capture = self._open_capture()
        worker.enter("reading")
        try:
            self.frames_per_second = capture.frames_per_second or self.frames_per_second
            good_ns = time.monotonic_ns()
            while self._is_at_work(worker):
                captured_ns = capture.grab()
                if captured_ns is None:
                    return "it gives no frames any more"
                image = capture.retrieve()
                if not self._is_at_work(worker):
                    break
                if self._take(image, captured_ns):
                    good_ns = captured_ns
                elif captured_ns - good_ns > 1e9 * self._options.timeout:
                    return f"no frame of {self._options.timeout:g} s can be decoded"
            return "it was closed"
        finally:
            capture.release()

    def _take(self, image: NDArray[np.uint8] | None, captured_ns: int) -> bool:
        """Count a frame, and hand it on unless it is damaged."""
        index = self._index
        self._index += 1
        if image is None or image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            self.health.skipped += 1
            if self.health.skipped == 1:
                _log.warning(
                    "%s: a frame cannot be decoded; such are dropped",
                    self.name,
                    extra=self._fields(),
                )
            return False
        self._note_frame((image.shape[1], image.shape[0]))
        self.health.drop(self._box.put(Frame(image, index, captured_ns)))
        return True

    def _note_frame(self, size: tuple[int, int]) -> None:
        if self._size is not None and size != self._size:
            self.health.resolution_changes += 1
            _log.warning(
                "%s changed from %dx%d to %dx%d",
                self.name,
                *self._size,
                *size,
                extra={**self._fields(), "width": size[0], "height": size[1]},
            )
        self._size = size
        if self.health.state == "live":
            return
        away_s = self.health.for_s
        self.health.enter("live")
        if self._been_live:
            self.health.reconnects += 1
            fields = {**self._fields(), "away_s": round(away_s, 3)}
            _log.warning("%s is back after %.1f s", self.name, away_s, extra=fields)
        self._been_live = True

    def _note_loss(self, reason: str) -> None:
        new = not self.health.reason
        self.health.enter("lost" if self._been_live else "connecting", reason)
        if new:
            what = "was lost" if self._been_live else "cannot be opened"
            fields = {**self._fields(), "reason": reason}
            _log.warning("%s %s: %s; trying again", self.name, what, reason, extra=fields)

    def _fields(self) -> dict[str, object]:
        """What a structured log says of the source besides the message."""
        return {"camera": self.name, "state": self.health.state}

    def _supervise(self, waited_s: float) -> None:
        """Judge the thread that captures, after so many more seconds without a frame."""
        worker = self._worker
        if worker.doing != self._watched:
            self._watched = worker.doing
            self._silent_s = 0.0
        # A process that was suspended was not there to wait.
        self._silent_s += min(waited_s, _LONGEST_WAIT_S)
        patience_s = {
            "opening": _OPEN_S,
            "reading": self._options.timeout + _GRACE_S,
            "waiting": math.inf,
        }
        if self._silent_s > patience_s[self._watched[0]]:
            self._leave(worker, self._silent_s)
            self._silent_s = 0.0
        self._give_up_in_time()

    def _leave(self, worker: _Worker, silent_s: float) -> None:
        """Leave a thread to the driver in which it hangs and send another, if not too many do."""
        self._note_loss(f"no answer for {silent_s:.1f} s, it hangs in its driver")
        self._hung = [each for each in self._hung if each.is_alive()]
        if len(self._hung) < _MOST_HUNG:
            self._hung.append(worker)
            self._send_worker()

    def _give_up_in_time(self) -> None:
        give_up_s = self._options.give_up
        if give_up_s is None and not self._been_live:
            give_up_s = _FIRST_CONNECTION_S
        health = self.health
        if give_up_s is None or give_up_s == "never" or health.state == "live":
            return
        if health.reason and health.for_s >= give_up_s:
            what = "was lost" if self._been_live else "cannot be opened"
            tried = f" and was tried again for {health.for_s:.0f} s" if give_up_s else ""
            self._end(EdgeMtlError(f"{self.name} {what}{tried}: {health.reason}"))

    def _end(self, error: EdgeMtlError) -> None:
        self.health.enter("ended", str(error))
        self._closing.set()
        self._box.end(error)
