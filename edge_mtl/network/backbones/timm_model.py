"""`TimmModel`: any network of timm (PyTorch Image Models) that gives strides 4, 8, 16 and 32.

timm is no dependency: it needs a torchvision that matches torch.
"""

from __future__ import annotations

import difflib
from typing import Any

from torch import Tensor, nn

from edge_mtl.errors import UsageError
from edge_mtl.network.backbones.backbone import STRIDES, Backbone

_LAST_FOUR = (-4, -3, -2, -1)


class TimmModel(Backbone):
    """name: as `timm.create_model` takes it, such as `resnet18` or `mobilenetv3_large_100`.

    The network is one stage: `frozen_stages = 1` freezes all of it.

    Raises:
        UsageError: timm does not import, knows no such network, or its last four features are not
            of strides 4, 8, 16 and 32.
    """

    def __init__(self, name: str) -> None:
        try:
            model = _make_features(name, pretrained=False)
        # What timm raises about a network that cannot give features, or has fewer than four.
        except (AssertionError, IndexError, RuntimeError) as error:
            raise UsageError(
                f"timm:{name} does not give the features of its last four strides ({error}); "
                "choose a convolutional network"
            ) from None
        strides = tuple(model.feature_info.reduction())
        if strides != STRIDES:
            raise UsageError(
                f"timm:{name} gives features of strides {', '.join(map(str, strides))}, expected "
                f"{', '.join(map(str, STRIDES))}; choose a convolutional network"
            )
        channels = tuple(model.feature_info.channels())
        super().__init__(nn.Identity(), [nn.Sequential(model)], (0,), channels)
        self._name = name

    def after_stem(self, x: Tensor) -> list[Tensor]:
        features: list[Tensor] = self.stages[0](x)
        return features

    def load_imagenet(self) -> bool:
        """Load what timm has for this network, from its cache or its hub; tell whether."""
        try:
            pretrained = _make_features(self._name, pretrained=True)
        except (OSError, RuntimeError):  # no connection; no weights for this network
            return False
        self.stages[0][0].load_state_dict(pretrained.state_dict())  # type: ignore[index]
        return True


def _make_features(name: str, *, pretrained: bool) -> Any:
    """timm's network without its classifier, giving its last four features."""
    try:
        import timm  # type: ignore[import-not-found, unused-ignore]
    except (ImportError, RuntimeError) as error:  # torchvision's operators miss their torch
        raise UsageError(
            f"the backbone timm:{name} needs timm, which does not import ({error}); pip install "
            "timm with a torchvision that matches torch, or choose a backbone of our own"
        ) from None
    if not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), n=1, cutoff=0.0)
        hint = f"; did you mean 'timm:{near[0]}'?" if near else ""
        raise UsageError(f"timm knows no network {name!r}{hint}")
    return timm.create_model(
        name, pretrained=pretrained, features_only=True, out_indices=_LAST_FOUR
    )
