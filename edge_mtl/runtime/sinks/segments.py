"""`Segments`: one sink after the other, each with a file of its own, so that a disk is not filled.

A recorder that never stops cuts its files: the loss of one is then small, and the oldest can go.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from edge_mtl.errors import EdgeMtlError
from edge_mtl.runtime.sinks import Sink
from edge_mtl.runtime.sources import Frame
from edge_mtl.scene import Scene

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Cut:
    """How files are cut: a new one from `limit_bytes` on; the newest `keep` stay, None for all."""

    limit_bytes: int
    keep: int | None = None


class Segments:
    """Writes `scenes-000000.jsonl`, `scenes-000001.jsonl` and so on, where `scenes.jsonl` is asked.

    Numbers go on behind those of the files that are there, so that a restart overwrites nothing;
    files of earlier runs count among those that are kept. Where a segment cannot be written on,
    as on a full disk, and only so many are to be kept, the oldest is deleted and a new one begun.

    Args:
        path: the file that was asked for.
        open_sink: opens the sink of a segment.
        cut: when and what.

    Raises:
        EdgeMtlError: the first segment cannot be opened.
    """

    def __init__(self, path: Path, open_sink: Callable[[Path], Sink], cut: Cut) -> None:
        self._path = path
        self._open_sink = open_sink
        self._cut = cut
        self._number = max((number for number, _ in self._there()), default=-1)
        self._sink: Sink | None = None
        self._empty = True
        self._segment = self._next()

    def write(self, scene: Scene, frame: Frame) -> None:
        """Write to the segment that is open.

        Raises:
            EdgeMtlError: it cannot be written, and there is no older one to make room.
        """
        try:
            self._write(scene, frame)
        except (EdgeMtlError, OSError) as error:
            if isinstance(error, BrokenPipeError) or not self._make_room(error):
                raise
            self._write(scene, frame)
        if self._segment.stat().st_size >= self._cut.limit_bytes:
            self.close()

    def close(self) -> None:
        """Close the segment that is open."""
        sink, self._sink = self._sink, None
        if sink is not None:
            sink.close()

    def _write(self, scene: Scene, frame: Frame) -> None:
        if self._sink is None:
            self._segment = self._next()
        assert self._sink is not None
        self._sink.write(scene, frame)
        self._empty = False

    def _next(self) -> Path:
        path = self._path.with_stem(f"{self._path.stem}-{self._number + 1:06}")
        self._sink = self._open_sink(path)
        self._number += 1
        self._empty = True
        if self._cut.keep is not None:
            for _, old in self._there()[: -self._cut.keep]:
                old.unlink(missing_ok=True)
        return path

    def _make_room(self, error: Exception) -> bool:
        """Close the segment that failed and delete the oldest; False where there is none to."""
        if self._cut.keep is None or len(self._there()) < 2:
            return False
        with suppress(EdgeMtlError, OSError):
            self.close()
        if self._empty:
            self._segment.unlink(missing_ok=True)
        oldest = self._there()[0][1]
        fields = {"deleted": str(oldest)}
        _log.warning("%s deleted to make room: %s", oldest, error, extra=fields)
        oldest.unlink(missing_ok=True)
        return True

    def _there(self) -> list[tuple[int, Path]]:
        """The segments on the disk by their numbers, oldest first."""
        name = re.compile(rf"{re.escape(self._path.stem)}-(\d+){re.escape(self._path.suffix)}")
        folder = self._path.parent
        paths = folder.iterdir() if folder.is_dir() else ()
        matches = ((name.fullmatch(path.name), path) for path in paths)
        return sorted((int(match[1]), path) for match, path in matches if match)
