"""Where scenes go, behind one protocol; adding a sink is a file here and a row below."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from edge_mtl.runtime.sources import Frame, Source
from edge_mtl.runtime.vitals import Vitals
from edge_mtl.scene import Scene

if TYPE_CHECKING:
    from edge_mtl.runtime.draw import Annotator


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


class Setting:
    """What a sink may know of the stream that it is opened for.

    Args:
        source: where the frames come from.
        camera: the name under which the scenes are told from those of other cameras.

    vitals: how the stream does.
    """

    def __init__(self, source: Source, camera: str | None = None) -> None:
        self.source = source
        self.camera = source.name if camera is None else camera
        self.vitals = Vitals(source, self.camera)

    @cached_property
    def annotate(self) -> Annotator:
        """Draws the scenes; one for all sinks of a stream saves drawing them twice."""
        from edge_mtl.runtime.draw import Annotator

        return Annotator()


Role: TypeAlias = Literal["file", "pipe", "view"]
"""What a sink is to a stream: a file and a pipe get every scene of a source that waits, and a file
may be cut into segments; a view gets the newest scene that it has time for."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A row of the table of sinks, and with it an option of `edge-mtl run`.

    metavar: what the option takes; empty for a switch.
    role: by the value of the option.
    open: from the value of the option; a switch gets an empty one.
    """

    metavar: str
    help: str
    role: Callable[[str], Role]
    open: Callable[[str, Setting], Sink]


def _is_file(_: str) -> Role:
    return "file"


def _is_view(_: str) -> Role:
    return "view"


def _open_video(value: str, setting: Setting) -> Sink:
    from edge_mtl.runtime.sinks.video import VideoSink

    source = setting.source
    return VideoSink(Path(value), source.frames_per_second, source.live, setting.annotate)


def _open_json_lines(value: str, setting: Setting) -> Sink:
    from edge_mtl.runtime.sinks.json_lines import JsonLinesSink

    return JsonLinesSink(value, setting.camera)


def _open_coco(value: str, _: Setting) -> Sink:
    from edge_mtl.runtime.sinks.coco import CocoSink

    return CocoSink(Path(value))


def _open_window(_: str, setting: Setting) -> Sink:
    from edge_mtl.runtime.sinks.window import WindowSink

    return WindowSink(setting.camera, setting.annotate)


def _open_web(value: str, setting: Setting) -> Sink:
    from edge_mtl.runtime.sinks.web import WebSink

    return WebSink(value, setting.vitals, setting.annotate)


def _open_rerun(value: str, setting: Setting) -> Sink:
    from edge_mtl.runtime.sinks.rerun_log import RerunSink

    return RerunSink(value, setting.camera)


def _open_mcap(value: str, setting: Setting) -> Sink:
    from edge_mtl.runtime.sinks.mcap_file import McapSink

    return McapSink(Path(value), setting.camera)


SINKS: dict[str, Kind] = {
    "save": Kind(
        "FILE",
        "Write the annotated video: .mp4, .mov, .mkv or .avi.",
        _is_file,
        _open_video,
    ),
    "jsonl": Kind(
        "FILE",
        "Write a JSON line a frame; - for stdout.",
        lambda value: "pipe" if value == "-" else "file",
        _open_json_lines,
    ),
    "coco": Kind(
        "FILE",
        "Write boxes, and poses in a file beside it, as COCO's results.",
        lambda _: "pipe",  # two files, each of them one list
        _open_coco,
    ),
    "mcap": Kind(
        "FILE",
        "Write picture, masks, boxes and poses as MCAP, for Foxglove.",
        _is_file,
        _open_mcap,
    ),
    "rerun": Kind(
        "FILE.rrd|HOST:PORT",
        "Record for Rerun, or send to a viewer that is running.",
        lambda value: "file" if value.endswith(".rrd") else "view",
        _open_rerun,
    ),
    "web": Kind(
        "HOST:PORT",
        "Show a web page, with health and metrics; off the loopback it needs EDGE_MTL_WEB_TOKEN.",
        _is_view,
        _open_web,
    ),
    "show": Kind("", "Show the annotated frames.", _is_view, _open_window),
}
"""By the name of the option, in the order in which they get a scene."""
