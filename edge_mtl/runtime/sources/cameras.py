"""`Cameras`: several sources read as one, fairly, and none the worse for another."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace

from edge_mtl.errors import EdgeMtlError
from edge_mtl.runtime.sources import Frame, Source, open_source
from edge_mtl.runtime.sources.camera_name import names_of

_log = logging.getLogger(__name__)

_SLICE_S = 0.1
_CLOSE_S = 0.9


class Cameras:
    """Reads each source in a thread of its own, from the first `read` on.

    The newest frame of a live source waits to be taken, and older ones are counted as dropped; a
    file waits, and loses none. A source that is lost for good is closed and said once, and the
    others go on.

    Args:
        sources: by the names of their cameras; closed with this.

    failures: by camera, why it was lost for good.
    """

    def __init__(self, sources: Mapping[str, Source]) -> None:
        self.sources = sources
        self.name = ", ".join(sources)
        self.live = any(source.live for source in sources.values())
        lengths = [source.length for source in sources.values()]
        known = [length for length in lengths if length is not None]
        self.length = sum(known) if len(known) == len(lengths) else None
        self.failures: dict[str, str] = {}
        self._changed = threading.Condition()
        self._stopped = self._closing = self._started = False
        self._cameras = [_Camera(name, source) for name, source in sources.items()]
        # Who was taken last comes last.
        self._turns = list(self._cameras)
        for camera in self._cameras:
            camera.thread = threading.Thread(
                target=self._run, args=(camera,), name=f"camera {camera.name}", daemon=True
            )

    @classmethod
    def open(cls, texts: Sequence[str], rate: float | None = None) -> Cameras:
        """Open several of what `open_source` understands, named by their option `name` or after
        their address.

        Raises:
            UsageError: two have the same name, or as of `open_source`.
            EdgeMtlError: as of `open_source`; those that were opened are closed again.
        """
        names = names_of(texts)
        with ExitStack() as stack:
            sources = {}
            # A file does not wait for addresses that do not answer.
            for name, text in sorted(
                zip(names, texts, strict=True), key=lambda named: "://" in named[1]
            ):
                sources[name] = open_source(text, rate)
                stack.callback(sources[name].close)
            stack.pop_all()
        return cls({name: sources[name] for name in names})

    def read(self, most: int = 1, wait_s: float = 0.0) -> list[Frame]:
        """Wait for a frame, and take as many as there are, at most one a camera; empty at the end.

        They are in the order of the cameras. Where not all fit, those cameras come first that
        waited longest for their turn.

        Args:
            most: how many.
            wait_s: how long a frame may wait here for those of other cameras. It waits for those
                whose next frame is due by then, as far as their last ones tell.

        Raises:
            EdgeMtlError: all cameras were lost.
        """
        with self._changed:
            self._start()
            while not self._stopped:
                ready = [camera for camera in self._turns if camera.frame is not None]
                if ready:
                    left_s = self._left_s(ready, most, wait_s)
                    if left_s <= 0:
                        return self._take(ready[:most])
                elif all(camera.ended for camera in self._cameras):
                    self._check_failures()
                    return []
                else:
                    left_s = _SLICE_S
                self._changed.wait(min(left_s, _SLICE_S))
        return []

    def stop(self) -> None:
        """As of `Source`."""
        self._stopped = True
        for source in self.sources.values():
            source.stop()

    def close(self) -> None:
        """Close all sources at once, within a second; one that hangs is left to itself."""
        self.stop()
        with self._changed:
            self._closing = True
            self._start()  # also those that nobody has read close in their own threads
            self._changed.notify_all()
        deadline = time.monotonic() + _CLOSE_S
        for camera in self._cameras:
            camera.thread.join(max(0.0, deadline - time.monotonic()))
            if camera.thread.is_alive():
                _log.warning("camera %s does not close and is left to itself", camera.name)

    def _start(self) -> None:
        if not self._started:
            self._started = True
            for camera in self._cameras:
                camera.thread.start()

    def _run(self, camera: _Camera) -> None:
        source = camera.source
        try:
            while not self._closing and (frame := source.read()) is not None:
                self._put(camera, replace(frame, camera=camera.name))
        except Exception as error:  # whatever it is, it is this camera's alone
            self._note_loss(camera, error)
        finally:
            with self._changed:
                camera.ended = True
                self._changed.notify_all()
            source.close()

    def _put(self, camera: _Camera, frame: Frame) -> None:
        with self._changed:
            if not camera.source.live:
                self._changed.wait_for(lambda: camera.frame is None or self._closing)
            elif camera.frame is not None:
                camera.source.health.drop(1)
            camera.give(frame)
            self._changed.notify_all()

    def _take(self, cameras: Sequence[_Camera]) -> list[Frame]:
        self._turns = [camera for camera in self._turns if camera not in cameras]
        self._turns += cameras
        frames = []
        for camera in self._cameras:
            if camera in cameras and camera.frame is not None:
                frames.append(camera.frame)
                camera.frame = None
        self._changed.notify_all()
        return frames

    def _left_s(self, ready: Sequence[_Camera], most: int, wait_s: float) -> float:
        """How much longer frames that are ready may wait for others; 0 where none are worth it."""
        now_s = time.monotonic()
        until_s = min(camera.came_s for camera in ready) + wait_s
        if len(ready) >= most or not any(
            camera.is_due(now_s, until_s) for camera in self._cameras if camera not in ready
        ):
            return 0.0
        return until_s - now_s

    def _note_loss(self, camera: _Camera, error: Exception) -> None:
        self.failures[camera.name] = why = str(error) or type(error).__name__
        camera.source.health.enter("ended", why)
        _log.error(
            "camera %s is lost: %s; others that go on: %s",
            camera.name,
            why,
            ", ".join(each.name for each in self._cameras if each is not camera and not each.ended)
            or "none",
            exc_info=None if isinstance(error, EdgeMtlError) else error,
        )

    def _check_failures(self) -> None:
        if len(self.failures) == len(self._cameras):
            reasons = "; ".join(f"{name}: {why}" for name, why in self.failures.items())
            raise EdgeMtlError(f"all {len(self._cameras)} cameras are lost: {reasons}")


class _Camera:
    """A source, and the frame of it that waits to be taken."""

    def __init__(self, name: str, source: Source) -> None:
        self.name = name
        self.source = source
        self.thread: threading.Thread
        self.frame: Frame | None = None
        self.ended = False
        self.came_s = 0.0
        self._step_s: float | None = None

    def give(self, frame: Frame) -> None:
        """Have a frame wait."""
        now_s = time.monotonic()
        self._step_s = (
            1 / self.source.frames_per_second if self._step_s is None else now_s - self.came_s
        )
        self.came_s = now_s
        self.frame = frame

    def is_due(self, now_s: float, until_s: float) -> bool:
        """Whether another frame is to be expected by then; not of one that is late by a frame."""
        if self.ended or self._step_s is None:
            return False
        return self.came_s + self._step_s <= until_s and now_s < self.came_s + 2 * self._step_s
