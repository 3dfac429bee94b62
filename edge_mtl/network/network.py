"""`Network`: the torch module of a `ModelSpec`."""

from __future__ import annotations

from itertools import groupby
from operator import attrgetter

from torch import Tensor, nn

from edge_mtl.network.backbones import make_backbone
from edge_mtl.network.heads import DetectionHead, SegmentationHeads
from edge_mtl.network.neck import FeaturePyramid
from edge_mtl.spec import ModelSpec


class Network(nn.Module):
    """From a normalised picture to the raw outputs of every task.

    Takes (N, 3, H, W) float32 with H and W multiples of 32, not only the size of the spec; gives a
    dictionary of `spec.output_tensors` in their order.
    """

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        self.spec = spec
        backbone = make_backbone(spec.backbone)
        self.backbone = backbone
        self.neck = FeaturePyramid(backbone.channels, spec.neck_channels)
        heads: list[nn.Module] = [
            DetectionHead(task, spec.neck_channels) for task in spec.detections
        ]
        by_stride = sorted(spec.segmentations, key=attrgetter("stride"))
        heads += [
            SegmentationHeads(list(tasks), spec.neck_channels)
            for _, tasks in groupby(by_stride, key=attrgetter("stride"))
        ]
        self.heads = nn.ModuleList(heads)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        pyramid = self.neck(self.backbone(image))
        raw: dict[str, Tensor] = {}
        for head in self.heads:
            raw.update(head(pyramid))
        return {tensor.name: raw[tensor.name] for tensor in self.spec.output_tensors}
