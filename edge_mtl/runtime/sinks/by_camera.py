"""`ByCamera`: the outputs of several cameras as one sink."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

from edge_mtl.errors import EdgeMtlError
from edge_mtl.runtime.sinks import SINKS, Setting
from edge_mtl.runtime.sinks.outputs import OutputReport, Outputs
from edge_mtl.runtime.sinks.segments import Cut
from edge_mtl.runtime.sources import Frame, Source
from edge_mtl.scene import Scene

Change = Callable[[Scene], Scene]


class ByCamera:
    """Hands every scene to the outputs of its camera. Those of one may fail without the others.

    Args:
        outputs: by camera, as `Frame.camera` names it; closed with this one.
    """

    def __init__(self, outputs: Mapping[str, Outputs]) -> None:
        self._outputs = outputs
        self._failed: dict[str, EdgeMtlError] = {}

    @classmethod
    def open(
        cls,
        wanted: Mapping[str, str],
        sources: Mapping[str, Source],
        cut: Cut | None = None,
        change: Callable[[Source], Change] | None = None,
    ) -> ByCamera:
        """Open sinks of the table `SINKS` for each camera.

        Files have the name of the camera in theirs: out.mp4 is out-front.mp4 for "front". Views
        and standard output are shared.

        Args:
            sources: by camera. One alone, whose name is empty, has its files named as they are.
            change: makes of a camera's source what changes its scenes; see `Outputs`.
            wanted: see `Outputs.open`.
            cut: see `Outputs.open`.

        Raises:
            UsageError, EdgeMtlError: as of `Outputs.open`; those that were opened are closed again.
        """
        with ExitStack() as stack:
            outputs = {}
            for camera, source in sources.items():
                named = {name: _named(name, value, camera) for name, value in wanted.items()}
                setting = Setting(source, camera or None)
                each = Outputs.open(named, setting, cut, change and change(source))
                stack.callback(each.close)
                outputs[camera] = each
            stack.pop_all()
        return cls(outputs)

    def write(self, scene: Scene, frame: Frame) -> None:
        """Hand a scene to the sinks of its camera.

        Raises:
            StreamEnded: a sink asked for it.
            EdgeMtlError: every camera had sinks, and all of them have failed.
        """
        try:
            self._outputs[frame.camera].write(scene, frame)
        except EdgeMtlError as error:  # its sinks have said why
            self._failed[frame.camera] = error
            if len(self._failed) == len(self._outputs):
                raise

    def stop(self) -> None:
        """As of `Outputs`."""
        for outputs in self._outputs.values():
            outputs.stop()

    def close(self) -> None:
        """Let every sink finish what it was given."""
        with ExitStack() as stack:
            for outputs in self._outputs.values():
                stack.callback(outputs.close)

    def report(self) -> dict[str, dict[str, OutputReport]]:
        """By camera, what every sink did so far, by its name."""
        return {camera: outputs.report() for camera, outputs in self._outputs.items()}


def _named(name: str, value: str, camera: str) -> str:
    if not camera or value == "-" or SINKS[name].role(value) == "view":
        return value
    path = Path(value)
    return str(path.with_stem(f"{path.stem}-{camera}"))
