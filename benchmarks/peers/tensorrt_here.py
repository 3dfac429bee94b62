"""edge-mtl with an engine that TensorRT builds here, for this GPU, in half precision.

**Never run**: no GPU was at hand. It builds as `tests/gpu/test_runtime.py` does.
"""

from __future__ import annotations

from functools import cache
from typing import Literal

import msgspec
import shipped

from edge_mtl.bundle import Bundle
from edge_mtl.runtime.pipeline import Pipeline
from peers.job import Job, MissingError


def tensorrt(job: Job) -> Pipeline:
    return Pipeline.from_bundle(_built("tensorrt"), "tensorrt", job.threads, job.masks)


def tensorrt_rtx(job: Job) -> Pipeline:
    return Pipeline.from_bundle(_built("tensorrt_rtx"), "tensorrt-rtx", job.threads, job.masks)


@cache
def _built(module: Literal["tensorrt", "tensorrt_rtx"]) -> Bundle:
    """The float network with an engine for this GPU, which takes minutes."""
    from edge_mtl.export.tensorrt_builder import BuildError, EngineRequest, build_engine

    bundle = shipped.fp32()
    try:
        plan, file = build_engine(bundle.network, EngineRequest(module, half=True))
    except BuildError as error:
        raise MissingError(f"an engine of {module} for this GPU: {error}") from error
    manifest = msgspec.structs.replace(bundle.manifest, engines={"here.engine": file})
    return Bundle(bundle.path, manifest, {**bundle.files, "here.engine": plan})
