"""OpenCV and NumPy before and behind an engine, as it is usually written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from numpy.typing import NDArray
from rivals.opencv_head import open_head
from rivals.opencv_preprocess import BlobPreprocess, TablePreprocess

from edge_mtl.bundle import Bundle
from peers.job import InStages, Job

Infer: TypeAlias = Callable[[Any], Mapping[str, NDArray[Any]]]
"""From a prepared frame, (1, 3, H, W), to raw outputs by name."""


def around(bundle: Bundle, infer: Infer, job: Job) -> InStages:
    """The fastest that was found of either: a table where the input has 8 bits, else a blob."""
    spec, tensor = bundle.spec, bundle.manifest.input
    kind = BlobPreprocess if tensor.dtype == "float32" else TablePreprocess
    head = open_head(spec, bundle.manifest.outputs, job.placement, job.mask_size)
    return InStages(kind(spec.input, job.placement, tensor), infer, head)
