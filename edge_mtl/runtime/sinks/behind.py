"""`Behind`: a sink in a thread of its own, so that a slow one slows nobody."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque

from edge_mtl.errors import EdgeMtlError
from edge_mtl.runtime.sinks import Sink, StreamEnded
from edge_mtl.runtime.sources import Frame
from edge_mtl.scene import Scene

_log = logging.getLogger(__name__)

_PATIENCE_S = 30.0
"""How long a stream waits for a sink before it says so."""
_FAREWELL_S = 5.0
"""How long a sink may go without finishing anything once the stream is to end."""
_LOOK_S = 0.25


class Behind:
    """Takes scenes at once and writes them in its own thread, in their order.

    A sink that fails, as on a full disk, is closed, so that what it wrote stays readable; it is
    said once, and the scenes after it are counted as dropped. It does not end the stream: whoever
    holds the sinks decides whether there is still something to run for.

    Scenes and frames are held until they were written: neither may be overwritten meanwhile.

    Args:
        name: for messages.
        sink: written and closed in the thread of this one, and nowhere else.
        depth: how many scenes may wait.
        waits: whether `write` waits for a place, so that no scene is lost; otherwise the oldest
            of those that wait gives way, and is counted.
    """

    def __init__(self, name: str, sink: Sink, *, depth: int, waits: bool) -> None:
        self.name = name
        self.written = 0
        self.dropped = 0
        self.failure: str | None = None
        self._sink = sink
        self._depth = depth
        self._waits = waits
        self._given = 0
        self._waiting: deque[tuple[Scene, Frame]] = deque()
        self._change = threading.Condition()
        self._closing = self._stuck = False
        self._stopped_s: float | None = None
        self._raised: BaseException | None = None
        self._told = False
        self._thread = threading.Thread(target=self._run, name=f"sink {name}", daemon=True)
        self._thread.start()

    def write(self, scene: Scene, frame: Frame) -> None:
        """Hand a scene over.

        Raises:
            StreamEnded: the sink asked for it, at an earlier scene.
            BrokenPipeError: whoever read the sink's output has left.
        """
        with self._change:
            if self._waits:
                self._wait_for_a_place()
            if self._raised is not None:
                self._told = True
                raise self._raised
            self._given += 1
            if self.failure is not None:
                self.dropped += 1
                return
            if len(self._waiting) >= self._depth:
                self._waiting.popleft()
                self.dropped += 1
            self._waiting.append((scene, frame))
            self._change.notify_all()

    def stop(self) -> None:
        """The stream is to end: from now on wait only for a sink that still finishes something.
        Takes no lock: signal handlers may call it."""
        self._stopped_s = time.monotonic()

    def close(self) -> None:
        """Let the sink finish what it was given; one that is stuck is left behind, and said.

        Raises:
            Exception: what the sink raised that was no failure of what it writes to, where no
                `write` came after it to say so.
        """
        with self._change:
            self._closing = True
            self._change.notify_all()
        before, since = -1, time.monotonic()
        while self._thread.is_alive() and not self._stuck:
            if self.written != before:
                before, since = self.written, time.monotonic()
            self._thread.join(0.05)
            if time.monotonic() - since >= _FAREWELL_S:
                self._leave()
        # A stream that has ended need not be asked to.
        if self._raised is not None and not self._told and type(self._raised) is not StreamEnded:
            self._told = True
            raise self._raised

    def _wait_for_a_place(self) -> None:
        said, before, since = False, self.written, time.monotonic()
        while (
            self._waits
            and len(self._waiting) >= self._depth
            and self.failure is None
            and self._raised is None
        ):
            self._change.wait(_LOOK_S)
            if self.written != before:
                before, since = self.written, time.monotonic()
            stopped_s = self._stopped_s
            if stopped_s is not None and time.monotonic() - max(since, stopped_s) >= _FAREWELL_S:
                self._leave()
            elif not said and time.monotonic() - since >= _PATIENCE_S:
                said = True
                _log.warning(
                    "%s takes no scenes since %.0f s; the stream waits for it",
                    self.name,
                    _PATIENCE_S,
                    extra={"sink": self.name},
                )

    def _run(self) -> None:
        while (item := self._next()) is not None:
            try:
                self._sink.write(*item)
            except BaseException as error:
                self._end(error)
                break
            self.written += 1
            del item  # not to be held while the next one is waited for
        try:
            self._sink.close()
        except BaseException as error:
            if self.failure is None and self._raised is None:
                self._end(error)

    def _next(self) -> tuple[Scene, Frame] | None:
        with self._change:
            while not self._waiting and not self._closing:
                self._change.wait()
            if not self._waiting:
                return None
            item = self._waiting.popleft()
            self._change.notify_all()
            return item

    def _leave(self) -> None:
        self._stuck = True
        self._fail("it is stuck, and left with what it has not written")

    def _end(self, error: BaseException) -> None:
        """Tell a sink that failed from one that asks for the end, and from a bug."""
        if isinstance(error, EdgeMtlError | OSError) and not isinstance(error, BrokenPipeError):
            self._fail(str(error))
            return
        with self._change:
            self._raised = error
            self._waiting.clear()
            self._change.notify_all()

    def _fail(self, why: str) -> None:
        with self._change:
            self.failure = why
            self.dropped = self._given - self.written
            self._waiting.clear()
            self._change.notify_all()
        fields = {"sink": self.name, "written": self.written, "reason": why}
        _log.error("%s stopped after %d scenes: %s", self.name, self.written, why, extra=fields)
