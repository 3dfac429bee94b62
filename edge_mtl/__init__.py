"""edge-mtl: multi-task driving networks from training to the edge.

The public names are below; each is imported when it is first used, so that `import edge_mtl` is
quick and needs no optional dependency.

>>> from edge_mtl import Pipeline
>>> with Pipeline.open("driving-s") as pipe:  # doctest: +SKIP
...     scene = pipe(frame)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edge_mtl.bundle import Bundle, BundleError
    from edge_mtl.errors import EdgeMtlError, UsageError
    from edge_mtl.runtime.pipeline import Pipeline
    from edge_mtl.runtime.sources import Frame, open_source
    from edge_mtl.runtime.stream import Stream, StreamReport
    from edge_mtl.scene import Classification, Detections, Mask, Poses, Scene
    from edge_mtl.spec import InputSpec, ModelSpec
    from edge_mtl.tasks import (
        ClassificationTask,
        DecodedDetectionTask,
        DetectionTask,
        PoseTask,
        SegmentationTask,
    )
    from edge_mtl.tensor_spec import TensorSpec

    __version__: str

_HOMES = {
    "Bundle": "edge_mtl.bundle",
    "BundleError": "edge_mtl.bundle",
    "Classification": "edge_mtl.scene",
    "ClassificationTask": "edge_mtl.tasks",
    "DecodedDetectionTask": "edge_mtl.tasks",
    "DetectionTask": "edge_mtl.tasks",
    "Detections": "edge_mtl.scene",
    "EdgeMtlError": "edge_mtl.errors",
    "Frame": "edge_mtl.runtime.sources",
    "InputSpec": "edge_mtl.spec",
    "Mask": "edge_mtl.scene",
    "ModelSpec": "edge_mtl.spec",
    "Pipeline": "edge_mtl.runtime.pipeline",
    "PoseTask": "edge_mtl.tasks",
    "Poses": "edge_mtl.scene",
    "Scene": "edge_mtl.scene",
    "SegmentationTask": "edge_mtl.tasks",
    "Stream": "edge_mtl.runtime.stream",
    "StreamReport": "edge_mtl.runtime.stream",
    "TensorSpec": "edge_mtl.tensor_spec",
    "UsageError": "edge_mtl.errors",
    "open_source": "edge_mtl.runtime.sources",
}

__all__ = [
    "Bundle",
    "BundleError",
    "Classification",
    "ClassificationTask",
    "DecodedDetectionTask",
    "DetectionTask",
    "Detections",
    "EdgeMtlError",
    "Frame",
    "InputSpec",
    "Mask",
    "ModelSpec",
    "Pipeline",
    "PoseTask",
    "Poses",
    "Scene",
    "SegmentationTask",
    "Stream",
    "StreamReport",
    "TensorSpec",
    "UsageError",
    "__version__",
    "open_source",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("edge-mtl")
    if name not in _HOMES:
        raise AttributeError(f"module 'edge_mtl' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
