"""Heads: from the features of a picture to the raw outputs that the `ModelSpec` names."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from operator import attrgetter

from edge_mtl.errors import UsageError
from edge_mtl.network.heads.classification import ClassificationHeads
from edge_mtl.network.heads.detection import DetectionHead
from edge_mtl.network.heads.head import Head
from edge_mtl.network.heads.pose import PoseHead
from edge_mtl.network.heads.segmentation import SegmentationHeads
from edge_mtl.spec import ModelSpec

__all__ = ["Head", "make_heads"]


def make_heads(spec: ModelSpec, widths: Mapping[int, int]) -> list[Head]:
    """The heads of all tasks of a spec on a feature pyramid.

    widths: of the backbone's features, by their stride.

    Raises:
        UsageError: the spec has a task that no network of ours has.
    """
    for task in spec.decoded_detections:
        raise UsageError(
            f"task {task.name!r} is a decoded_detection, which describes a network that was made "
            "elsewhere: to build and train one, use a detection"
        )
    channels = spec.neck_channels
    heads: list[Head] = [DetectionHead(task, channels) for task in spec.detections]
    by_stride = sorted(spec.segmentations, key=attrgetter("stride"))
    for _, tasks in groupby(by_stride, key=attrgetter("stride")):
        heads.append(SegmentationHeads(list(tasks), channels, widths.get(2)))
    heads += [PoseHead(task, channels) for task in spec.poses]
    if spec.classifications:
        heads.append(ClassificationHeads(spec.classifications, widths[max(widths)], channels))
    return heads
