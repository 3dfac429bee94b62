"""Rendered driving scenes as a source: no file, no camera, the same pictures everywhere."""

from __future__ import annotations

import re
import sys
import time
from typing import Annotated

import msgspec
from msgspec import Meta

from edge_mtl.config import convert_config
from edge_mtl.data.rendered import RenderedScenes
from edge_mtl.errors import UsageError
from edge_mtl.runtime.sources import Frame


class RenderedOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What follows `rendered:`, as `key=value` with commas between.

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
    dropped = 0
    skipped = 0

    def __init__(self, options: RenderedOptions) -> None:
        self.name = f"rendered:seed={options.seed}"
        self.length = options.frames
        self._scenes = RenderedScenes(
            options.frames or sys.maxsize,
            seed=options.seed,
            size=(options.width, options.height),
        )
        self.frames_per_second = self._scenes.fps
        self._index = 0

    @classmethod
    def parse(cls, text: str) -> RenderedSource:
        """Open "rendered" or "rendered:seed=7,frames=300,width=640,height=384".

        Raises:
            UsageError: an option is unknown (the nearest known one is named) or has a wrong value.
        """
        options: dict[str, int | str] = {}
        for option in filter(None, text.partition(":")[2].split(",")):
            key, equals, value = option.partition("=")
            if not equals:
                raise UsageError(f"{text}: expected key=value such as seed=7, found {option!r}")
            options[key] = int(value) if re.fullmatch(r"\d+", value) else value
        return cls(convert_config(options, RenderedOptions, text))

    def read(self) -> Frame | None:
        """The next picture; None after the last."""
        if self._index == self.length:
            return None
        index = self._index
        self._index += 1
        image, planes = self._scenes.images(index)
        return Frame(image, index, time.monotonic_ns(), planes)

    def close(self) -> None:
        """Nothing is held open."""
