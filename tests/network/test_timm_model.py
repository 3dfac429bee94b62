from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from edge_mtl.errors import UsageError
from edge_mtl.network.backbones import STRIDES, make_backbone


class FeatureInfo:
    def __init__(self, channels: list[int], strides: list[int]) -> None:
        self._channels, self._strides = channels, strides

    def channels(self) -> list[int]:
        return self._channels

    def reduction(self) -> list[int]:
        return self._strides


class FeatureListNet(nn.ModuleDict):
    """Gives the last of its features as a list, as timm's does."""

    def __init__(self, strides: list[int], indices: tuple[int, ...]) -> None:
        before = [1, *strides[:-1]]
        super().__init__(
            {
                f"layer{i}": nn.Conv2d(3 if i == 0 else stride, 2 * stride, 1, stride // last)
                for i, (stride, last) in enumerate(zip(strides, before, strict=True))
            }
        )
        self.feature_info = FeatureInfo(
            [2 * strides[i] for i in indices], [strides[i] for i in indices]
        )
        self._kept = [len(strides) + i for i in indices]

    def forward(self, x: Tensor) -> list[Tensor]:
        features = []
        for layer in self.values():
            x = layer(x)
            features.append(x)
        return [features[i] for i in self._kept]


NETWORKS = {
    "five": [2, 4, 8, 16, 32],
    "four": [4, 8, 16, 32],
    "vit": [16] * 4,
    "three": [4, 8, 16],
    "mixer": [],
}


def create_model(
    name: str, *, pretrained: bool, features_only: bool, out_indices: tuple[int, ...]
) -> FeatureListNet:
    assert features_only
    if name == "mixer":
        raise RuntimeError("features_only not implemented")
    if pretrained and name != "five":
        raise RuntimeError("no pretrained weights")
    model = FeatureListNet(NETWORKS[name], out_indices)
    if pretrained:
        for parameter in model.parameters():
            nn.init.constant_(parameter, 0.25)
    return model


@pytest.fixture
def timm(monkeypatch: pytest.MonkeyPatch) -> None:
    """A module with the part of timm's interface that is used here."""
    module: Any = ModuleType("timm")
    module.create_model = create_model
    module.is_model = NETWORKS.__contains__
    module.list_models = lambda: list(NETWORKS)
    monkeypatch.setitem(sys.modules, "timm", module)


@pytest.mark.usefixtures("timm")
@pytest.mark.parametrize("name", ["five", "four"])
def test_the_features_are_those_of_four_strides(name: str) -> None:
    backbone = make_backbone(f"timm:{name}")
    assert backbone.channels == (8, 16, 32, 64)
    assert backbone.strides == STRIDES
    features = backbone(torch.zeros(1, 3, 64, 96))
    assert [tuple(each.shape) for each in features] == [
        (1, 2 * stride, 64 // stride, 96 // stride) for stride in STRIDES
    ]


@pytest.mark.usefixtures("timm")
def test_pretrained_weights_are_loaded_where_timm_has_them() -> None:
    backbone = make_backbone("timm:five")
    assert backbone.load_imagenet()
    assert all(bool((each == 0.25).all()) for each in backbone.parameters())
    assert not make_backbone("timm:four").load_imagenet()


@pytest.mark.usefixtures("timm")
def test_one_frozen_stage_is_the_whole_network() -> None:
    """What `frozen_stages = 1` does in training."""
    backbone = make_backbone("timm:five")
    for part in (backbone.stem, *backbone.stages[:1]):
        part.requires_grad_(False)
    assert not any(each.requires_grad for each in backbone.parameters())


@pytest.mark.usefixtures("timm")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fife", r"timm knows no network 'fife'; did you mean 'timm:five'\?"),
        ("vit", r"timm:vit gives features of strides 16, 16, 16, 16, expected 4, 8, 16, 32"),
        ("mixer", r"timm:mixer does not give the features .*\(features_only not implemented\)"),
        ("three", r"timm:three does not give the features of its last four strides"),
    ],
)
def test_networks_that_do_not_fit_are_refused(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make_backbone(f"timm:{name}")


def _missing() -> None:
    raise ModuleNotFoundError("No module named 'torchvision'")


def _mismatched() -> None:
    raise RuntimeError("operator torchvision::nms does not exist")


@pytest.mark.parametrize("fail", [_missing, _mismatched])
def test_a_timm_that_does_not_import_is_explained(
    monkeypatch: pytest.MonkeyPatch, fail: Callable[[], None]
) -> None:
    class Finder:
        @staticmethod
        def find_spec(name: str, *_: object) -> None:
            if name == "timm":
                fail()

    monkeypatch.delitem(sys.modules, "timm", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Finder, *sys.meta_path])
    with pytest.raises(UsageError, match=r"timm:resnet18 needs timm, which does not import \(.*to"):
        make_backbone("timm:resnet18")


@pytest.mark.parametrize("name", ["resnet18", "mobilenetv3_small_050"])
def test_a_network_of_timm(name: str) -> None:
    try:
        import timm  # noqa: F401
    except (ImportError, RuntimeError) as error:
        pytest.skip(f"timm does not import: {error}")
    backbone = make_backbone(f"timm:{name}").eval()
    with torch.inference_mode():
        features = backbone(torch.zeros(1, 3, 64, 96))
    expected = zip(backbone.channels, STRIDES, strict=True)
    assert [tuple(each.shape) for each in features] == [
        (1, width, 64 // stride, 96 // stride) for width, stride in expected
    ]
