"""`Contender`: a network in an engine that is to be measured, and what is known of it before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edge_mtl.benchmark.result import Accuracy
from edge_mtl.runtime.pipeline import Pipeline


@dataclass(frozen=True, slots=True)
class Contender:
    """See `result.Subject` for what the fields mean.

    open: makes so many pipelines that share out the threads, for so many frames at a time each.
    arguments: of `edge-mtl run`, that open the same.
    """

    name: str
    model: str
    engine: str
    engine_version: str
    precision: str
    network_sha256: str
    accuracy: Accuracy | None
    open: Callable[[int, int], list[Pipeline]]
    arguments: tuple[str, ...]
