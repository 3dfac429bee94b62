"""`Outputs`: all sinks of a stream as one, none of which can slow or stop the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from edge_mtl.errors import EdgeMtlError
from edge_mtl.runtime.sinks import SINKS, Kind, Setting, Sink
from edge_mtl.runtime.sinks.behind import Behind
from edge_mtl.runtime.sinks.segments import Cut, Segments
from edge_mtl.runtime.sources import Frame
from edge_mtl.runtime.vitals import Vitals
from edge_mtl.scene import Scene

_FILE_DEPTH = 4
"""Scenes that may wait for a file: enough for a disk that pauses, few enough for the memory."""


@dataclass(frozen=True, slots=True)
class OutputReport:
    """What a sink did.

    written: scenes that it took.
    dropped: scenes that it had no time for, or that came after it had failed.
    failure: why it stopped early; None where it did not.
    """

    written: int
    dropped: int
    failure: str | None

    def to_json(self) -> dict[str, Any]:
        """Plain numbers and strings."""
        return asdict(self)


class Outputs:
    """A sink that hands every scene to others, each in a thread of its own.

    Args:
        sinks: closed with this one.
        vitals: told of every scene before the sinks are.
        change: makes of every scene what is handed on, as a `Tracker` does.
    """

    def __init__(
        self,
        sinks: Sequence[Behind],
        vitals: Vitals | None = None,
        change: Callable[[Scene], Scene] | None = None,
    ) -> None:
        self._sinks = sinks
        self._vitals = vitals
        self._change = change
        if vitals is not None:
            vitals.sinks = sinks

    @classmethod
    def open(
        cls,
        wanted: Mapping[str, str],
        setting: Setting,
        cut: Cut | None = None,
        change: Callable[[Scene], Scene] | None = None,
    ) -> Outputs:
        """Open sinks of the table `SINKS`.

        Args:
            wanted: by the name of the option, its value; empty for a switch.
            setting: what they may know of the stream.
            cut: how to cut files into segments; None to leave them whole.
            change: see `Outputs`.

        Raises:
            UsageError: a value is not understood.
            EdgeMtlError: a sink cannot be opened; those before it are closed again.
        """
        with ExitStack() as stack:
            sinks = []
            for name, kind in SINKS.items():
                if name not in wanted:
                    continue
                value = wanted[name]
                role = kind.role(value)
                sink: Sink
                if role == "file" and cut is not None:
                    sink = Segments(Path(value), partial(_open_file, kind, setting), cut)
                else:
                    sink = kind.open(value, setting)
                sinks.append(
                    Behind(
                        f"--{name} {value}".rstrip(),
                        sink,
                        depth=1 if role == "view" else _FILE_DEPTH,
                        waits=role != "view" and not setting.source.live,
                    )
                )
                stack.callback(sinks[-1].close)
            stack.pop_all()
        return cls(sinks, setting.vitals, change)

    def write(self, scene: Scene, frame: Frame) -> None:
        """Hand a scene to every sink.

        Raises:
            StreamEnded: a sink asked for it.
            EdgeMtlError: there were sinks, and all of them have failed.
        """
        if self._change is not None:
            scene = self._change(scene)
        if self._vitals is not None:
            self._vitals.record(scene)
        for sink in self._sinks:
            sink.write(scene, frame)
        failures = [sink.failure for sink in self._sinks if sink.failure is not None]
        if failures and len(failures) == len(self._sinks):
            raise EdgeMtlError(f"no output is left to run for: {failures[0]}")

    def stop(self) -> None:
        """The stream is to end: wait for no sink that is stuck. Takes no lock."""
        for sink in self._sinks:
            sink.stop()

    def close(self) -> None:
        """Let every sink finish what it was given."""
        with ExitStack() as stack:
            for sink in reversed(self._sinks):
                stack.callback(sink.close)

    def report(self) -> dict[str, OutputReport]:
        """What every sink did so far, by its name."""
        return {
            sink.name: OutputReport(sink.written, sink.dropped, sink.failure)
            for sink in self._sinks
        }


def _open_file(kind: Kind, setting: Setting, path: Path) -> Sink:
    return kind.open(str(path), setting)
