"""An engine that does nothing, to measure what stands around one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from edge_mtl.runtime.engines import Engine


class NoNetwork:
    """Its outputs stay what those of `engine` were when it was made. See `Engine`."""

    name = "no network"

    def __init__(self, engine: Engine) -> None:
        self.image = engine.image.copy()
        self.planes: Mapping[str, NDArray[Any]] = {}
        self.outputs: Mapping[str, NDArray[Any]] = {
            name: each.copy() for name, each in engine.outputs.items()
        }
        self.input_tensor = engine.input_tensor
        self.plane_tensors, self.output_tensors = engine.plane_tensors, engine.output_tensors

    def infer(self, frames: int = 1) -> None:
        """See `Engine`."""

    def close(self) -> None:
        """See `Engine`."""
