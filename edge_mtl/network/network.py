"""`Network`: the torch module of a `ModelSpec`."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from edge_mtl.errors import UsageError
from edge_mtl.network.attention import ATTENTION
from edge_mtl.network.backbones import BACKBONES, TIMM, make_backbone
from edge_mtl.network.features import Features
from edge_mtl.network.fusion import PlaneFusion
from edge_mtl.network.heads import Head, make_heads
from edge_mtl.network.neck import FeaturePyramid
from edge_mtl.network.textbook import TEXTBOOKS
from edge_mtl.spec import ModelSpec


class Network(nn.Module):
    """From a normalised picture to the raw outputs of every task.

    Takes (N, 3, H, W) float32 with H and W multiples of 32, not only the size of the spec, and by
    name (N, 1, H, W) of each plane that the spec has; gives a dictionary of `spec.output_tensors`
    in their order.

    backbone: what all tasks share. neck: the feature pyramid; None where all heads read the
        backbone, as those of a textbook network do.
    fusion: what brings planes to the picture; None where the spec has none.

    Raises:
        UsageError: no backbone and no textbook network has the name that the spec gives (the
            nearest one is named), or the one that has it cannot do what the spec asks of it; or
            torch needs the name of a task or a plane for itself.
    """

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        _check_keys(spec)
        self.spec = spec
        heads: list[Head]
        if spec.backbone in TEXTBOOKS:
            textbook = TEXTBOOKS[spec.backbone]
            self.backbone = textbook.trunk()
            heads = [textbook.heads(spec)]
        else:
            _check_name(spec.backbone)
            self.backbone = make_backbone(spec.backbone)
            widths = dict(zip(self.backbone.strides, self.backbone.channels, strict=True))
            heads = make_heads(spec, widths)
        strides = [head.strides for head in heads]
        read = {stride for each in strides for stride in each}
        if spec.attention != "none" and not read:
            raise UsageError(
                f'attention = "{spec.attention}" is for heads on a feature pyramid, of which '
                f"{spec.name} has none; leave it out"
            )
        self.neck = (
            FeaturePyramid(self.backbone.channels, spec.neck_channels, min(read)) if read else None
        )
        self.attention = ATTENTION[spec.attention](strides, spec.neck_channels)
        self.heads = nn.ModuleList(heads)
        # Last: with the same seed all else gets the weights that it has without planes.
        self.fusion = PlaneFusion(spec.planes, self.backbone) if spec.planes else None

    def forward(
        self, image: Tensor, planes: Mapping[str, Tensor] | None = None
    ) -> dict[str, Tensor]:
        return self.outputs(self.features(image, planes))

    def features(self, image: Tensor, planes: Mapping[str, Tensor] | None = None) -> Features:
        """What the heads see of pictures; an auxiliary head sees the backbone's part of it."""
        if self.fusion is None:
            found = self.backbone(image)
        else:
            found = self.backbone.after_stem(self.fusion(self.backbone.stem, image, planes or {}))
        return Features(found, self.neck(found) if self.neck is not None else {})

    def outputs(self, features: Features) -> dict[str, Tensor]:
        """The raw outputs of every task from the features of pictures."""
        raw: dict[str, Tensor] = {}
        for head, view in zip(self.heads, self.attention(features), strict=True):
            raw.update(head(view))
        return {tensor.name: raw[tensor.name] for tensor in self.spec.output_tensors}

    def example(self, width: int, height: int) -> tuple[Tensor] | tuple[Tensor, dict[str, Tensor]]:
        """Arguments of a pass, all zero, to see what the layers do: a picture, and planes where
        there are some."""
        image = next(self.parameters()).new_zeros(1, 3, height, width)
        planes = {plane.name: torch.zeros_like(image[:, :1]) for plane in self.spec.planes}
        return (image, planes) if planes else (image,)


def _check_keys(spec: ModelSpec) -> None:
    """Layers by name are attributes of an `nn.ModuleDict`, which has some already."""
    names = [task.name for task in spec.segmentations]
    names += [task.name for task in spec.classifications]
    names += [plane.name for plane in spec.planes if plane.fusion == "stem"]
    taken = nn.ModuleDict()
    for name in names:
        if hasattr(taken, name):
            raise UsageError(
                "expected names of tasks and planes that torch does not need for itself, found "
                f"{name!r}; choose another name, such as '{name}_'"
            )


def _check_name(backbone: str) -> None:
    known = (*BACKBONES, *TEXTBOOKS)
    if backbone not in BACKBONES and not backbone.startswith(TIMM):
        near = difflib.get_close_matches(backbone, known, n=1, cutoff=0.0)[0]
        raise UsageError(
            f"unknown backbone {backbone!r}; did you mean {near!r}? "
            f"Known: {', '.join(known)}, {TIMM}NAME"
        )
