"""`AuxiliaryHeads`: a second way for the segmentation losses into the backbone, in training only.

PSPNet's auxiliary loss (Zhao et al., 2016, arXiv:1612.01105, section 3.3). A module beside the
network, so that neither checkpoints nor exports hold it.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from edge_mtl.errors import UsageError
from edge_mtl.network.backbones import STRIDES
from edge_mtl.network.heads.segmentation import logits_layer
from edge_mtl.spec import ModelSpec

_STRIDE = 16


class AuxiliaryHeads(nn.Module):
    """A 1x1 convolution a segmentation task on the backbone's feature at stride 16.

    channels: the widths of the backbone's features.

    Raises:
        UsageError: the backbone is a textbook network's and has no such feature, or the spec has no
            segmentation task.
    """

    def __init__(self, spec: ModelSpec, channels: Sequence[int]) -> None:
        super().__init__()
        if len(channels) < len(STRIDES):
            raise UsageError(
                f"an auxiliary head reads the backbone's feature at stride {_STRIDE}, which "
                f"{spec.backbone} does not give; leave it out, or choose another backbone"
            )
        if not spec.segmentations:
            raise UsageError(
                "an auxiliary head helps segmentation tasks, of which this model has none; leave "
                "it out"
            )
        # Counted from the coarsest: some backbones give a feature finer than the pyramid.
        self._level = STRIDES.index(_STRIDE) - len(STRIDES)
        self.logits = nn.ModuleDict(
            {task.name: logits_layer(task, channels[self._level]) for task in spec.segmentations}
        )

    def forward(self, features: Sequence[Tensor]) -> dict[str, Tensor]:
        """By segmentation task, logits (N, C, H/16, W/16), one channel where it is binary.

        features: the backbone's, `Features.backbone`.
        """
        return {name: layer(features[self._level]) for name, layer in self.logits.items()}
