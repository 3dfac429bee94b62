"""What every peer is asked for, what it gives, and how one says that it cannot."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge_mtl.placement import Placement
from edge_mtl.reference import MaskSize, mask_extent
from edge_mtl.scene import Scene

Image: TypeAlias = NDArray[np.uint8]
RunClip: TypeAlias = Callable[[Path], int]
"""From the frames of a clip to scenes, decoding included; gives how many there were."""


class MissingError(Exception):
    """A peer needs what this machine does not have; the message says what."""


@dataclass(frozen=True, slots=True)
class Job:
    """Frames that lie so in the network's input, masks of this size, and so many threads."""

    placement: Placement
    masks: MaskSize
    threads: int

    @property
    def mask_size(self) -> tuple[int, int]:
        """(width, height)"""
        return mask_extent(self.placement, self.masks)


class InStages:
    """Frame to scene in three steps, each timed as those of a `Pipeline` are.

    What a peer does in its engine, such as resizing the frame, counts as the engine's.
    """

    def __init__(
        self,
        preprocess: Callable[[Image], Any],
        engine: Callable[[Any], Any],
        head: Callable[[Any], Scene],
    ) -> None:
        self._preprocess, self._engine, self._head = preprocess, engine, head

    def __call__(self, frame: Image, *, planes: Mapping[str, Image] | None = None) -> Scene:
        """planes: none of the peers takes any."""
        start = time.perf_counter()
        prepared = self._preprocess(frame)
        before = time.perf_counter()
        raw = self._engine(prepared)
        after = time.perf_counter()
        scene = self._head(raw)
        end = time.perf_counter()
        stages_ms = {
            "preprocess": (before - start) * 1e3,
            "engine": (after - before) * 1e3,
            "head": (end - after) * 1e3,
        }
        return msgspec.structs.replace(scene, stages_ms=stages_ms)
