"""Scenes as JSON lines: one object a frame, as `Scene.to_json` describes it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import BinaryIO

import msgspec

from edge_mtl.errors import EdgeMtlError
from edge_mtl.runtime.sources import Frame
from edge_mtl.scene import Scene


class JsonLinesSink:
    """Writes a line a frame and hands it on at once: a reader never waits, nor sees half a line.

    Args:
        target: a path, which is overwritten, or "-" for standard output.

    Raises:
        EdgeMtlError: the file cannot be written.
    """

    def __init__(self, target: str) -> None:
        self._target = target
        if target == "-":
            self._file: BinaryIO = sys.stdout.buffer
            return
        path = Path(target)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Unbuffered: a line is one write, which a kill cannot cut.
            self._file = path.open("wb", buffering=0)
        except OSError as error:
            raise EdgeMtlError(
                f"{path}: expected a file that can be written, found: {error.strerror}; choose "
                "another place for the JSON lines"
            ) from None

    def write(self, scene: Scene, frame: Frame) -> None:
        """Append one line."""
        try:
            self._file.write(msgspec.json.encode(scene.to_json()) + b"\n")
            self._file.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise EdgeMtlError(
                f"{self._target}: writing the JSON lines failed after frame {scene.frame_index}: "
                f"{error.strerror}; the lines before it are whole"
            ) from None

    def close(self) -> None:
        """Close the file; standard output stays open."""
        if self._target != "-":
            self._file.close()
