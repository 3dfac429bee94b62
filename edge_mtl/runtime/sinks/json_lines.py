"""Scenes as JSON lines: one `SceneRecord` a frame."""

from __future__ import annotations

import sys
import threading
from contextlib import nullcontext, suppress
from io import FileIO
from pathlib import Path

import msgspec

from edge_mtl.errors import EdgeMtlError
from edge_mtl.runtime.sources import Frame
from edge_mtl.scene import Scene
from edge_mtl.scene_record import SceneRecord
from edge_mtl.timing import rfc_3339, wall_clock_ns

_STANDARD_OUTPUT = threading.Lock()


class JsonLinesSink:
    """Writes a line a frame and hands it on at once: a reader never waits, nor sees half a line,
    nor one of another camera in it.

    Where the disk is full, what was written of a line is taken back.

    Args:
        target: a path, which is overwritten, or "-" for standard output.
        camera: its name, in every line.

    Raises:
        EdgeMtlError: the file cannot be written.
    """

    def __init__(self, target: str, camera: str) -> None:
        self._target = target
        self._camera = camera
        self._whole_bytes = 0
        self._turn = _STANDARD_OUTPUT if target == "-" else nullcontext()
        if target == "-":
            # Unbuffered: a line is one write, which a kill cannot cut.
            self._file = FileIO(sys.stdout.fileno(), "wb", closefd=False)
            return
        path = Path(target)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = FileIO(path, "wb")
        except OSError as error:
            raise EdgeMtlError(
                f"{path}: expected a file that can be written, found: {error.strerror}; choose "
                "another place for the JSON lines"
            ) from None

    def write(self, scene: Scene, frame: Frame) -> None:
        """Append one line."""
        at = rfc_3339(wall_clock_ns(scene.captured_ns)) if scene.captured_ns else None
        record = SceneRecord.of(scene, self._camera, at)
        line = memoryview(msgspec.json.encode(record) + b"\n")
        written = 0
        try:
            with self._turn:
                while written < len(line):
                    written += self._file.write(line[written:]) or 0
        except BrokenPipeError:
            raise
        except OSError as error:
            if written:
                with suppress(OSError):  # a pipe takes nothing back
                    self._file.truncate(self._whole_bytes)
            raise EdgeMtlError(
                f"{self._target}: writing the JSON lines failed after frame {scene.frame_index}: "
                f"{error.strerror}; the lines before it are whole"
            ) from None
        self._whole_bytes += written

    def close(self) -> None:
        """Close the file; standard output stays open."""
        self._file.close()
