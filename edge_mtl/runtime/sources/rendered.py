"""Rendered driving scenes as a source: no file, no camera, the same pictures everywhere."""

from __future__ import annotations

import sys
import time
from typing import Annotated

import msgspec
from msgspec import Meta

from edge_mtl.data.rendered import RenderedScenes
from edge_mtl.errors import UsageError
from edge_mtl.runtime.sources import Frame, Health
from edge_mtl.runtime.sources.address import parse_options


class RenderedOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What follows `rendered#` or `rendered:`, as `key=value` with commas between.

    seed: which drive; equal seeds give equal pictures.
    frames: how many; endless where it is left out.
    width, height: in pixels.
    """

    seed: Annotated[int, Meta(ge=0)] = 0
    frames: Annotated[int, Meta(ge=1)] | None = None
    width: Annotated[int, Meta(ge=64, le=7680)] = 640
    height: Annotated[int, Meta(ge=64, le=4320)] = 384


class RenderedSource:
    """Renders a drive frame by frame; see `Source`."""

    live = False

    def __init__(self, options: RenderedOptions) -> None:
        self.name = f"rendered:seed={options.seed}"
        self.length = options.frames
        self.health = Health()
        self._scenes = RenderedScenes(
            options.frames or sys.maxsize,
            seed=options.seed,
            size=(options.width, options.height),
        )
        self.frames_per_second = self._scenes.fps
        self._index = 0

    @classmethod
    def parse(cls, address: str, options: str = "") -> RenderedSource:
        """Open "rendered", or "rendered:seed=7,frames=300,width=640,height=384".

        Args:
            options: more of them, which stood behind a #.

        Raises:
            UsageError: an option is unknown (the nearest known one is named) or has a wrong value.
        """
        own = address.partition(":")[2]
        for option in filter(None, own.split(",")):
            if "=" not in option:
                raise UsageError(f"{address}: expected key=value such as seed=7, found {option!r}")
        return cls(parse_options(",".join((own, options)), RenderedOptions, address))

    def read(self) -> Frame | None:
        """The next picture; None after the last."""
        if self._index == self.length:
            self.health.enter("ended")
            return None
        index = self._index
        self._index += 1
        image, planes = self._scenes.images(index)
        return Frame(image, index, time.monotonic_ns(), planes)

    def stop(self) -> None:
        """A read does not wait."""

    def close(self) -> None:
        """Nothing is held open."""
