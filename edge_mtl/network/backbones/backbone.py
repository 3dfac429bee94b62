"""`Backbone`: a stem, stages in a row, and the features that some of them give."""

from __future__ import annotations

from torch import Tensor, nn

STRIDES = (4, 8, 16, 32)
"""The strides of the features that every backbone of a feature pyramid gives; some begin with one
of stride 2."""

STEM = -1
"""Among the stages that end at a feature: the stem itself."""


class Backbone(nn.Module):
    """Maps (N, 3, H, W) to features, finest first.

    channels, strides: of each feature; a textbook network's trunk has strides of its own.
    stem, stages: run one after the other; `feature_stages` are the indices of the stages that end
        at these strides, `STEM` for the stem.
    """

    def __init__(
        self,
        stem: nn.Module,
        stages: list[nn.Sequential],
        feature_stages: tuple[int, ...],
        channels: tuple[int, ...],
        strides: tuple[int, ...] = STRIDES,
    ) -> None:
        super().__init__()
        self.channels = channels
        self.strides = strides
        self.stem = stem
        self.stages = nn.ModuleList(stages)
        self._feature_stages = feature_stages

    def forward(self, image: Tensor) -> list[Tensor]:
        return self.after_stem(self.stem(image))

    def after_stem(self, x: Tensor) -> list[Tensor]:
        """The features from what the stem gives."""
        features = [x] if STEM in self._feature_stages else []
        for i, stage in enumerate(self.stages):
            x = stage(x)
            if i in self._feature_stages:
                features.append(x)
        return features

    def load_imagenet(self) -> bool:
        """Load ImageNet weights where a package that holds them is installed; tell whether."""
        return False
