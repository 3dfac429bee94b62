"""Where scenes go, behind one protocol."""

from __future__ import annotations

from typing import Protocol

from edge_mtl.runtime.sources import Frame
from edge_mtl.scene import Scene


class Sink(Protocol):
    """Takes every scene with its frame, one after the other."""

    def write(self, scene: Scene, frame: Frame) -> None:
        """Take one scene. The frame's image is not to be changed: other sinks see it too.

        Raises:
            StreamEnded: whoever is behind the sink has seen enough.
            EdgeMtlError: what the sink writes to was lost.
        """

    def close(self) -> None:
        """Finish what was written, so that others can read it."""


class StreamEnded(Exception):  # noqa: N818 - the wish of a viewer, not an error
    """A sink asks the stream to end, as when its window was closed."""
