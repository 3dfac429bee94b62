from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import msgspec
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from edge_mtl.compression.cost import Cost
from edge_mtl.compression.importance import channel_effects
from edge_mtl.compression.pruning import kept_channels, prune
from edge_mtl.data.datasets import Dataset
from edge_mtl.errors import UsageError
from edge_mtl.export.calibration import calibrate
from edge_mtl.export.edges import edge_tensors, strip_edges
from edge_mtl.export.graph import onnx_from_network
from edge_mtl.export.quantize import quantize
from edge_mtl.export.schemes import scheme
from edge_mtl.network.checkpoint import load_checkpoint, save_checkpoint
from edge_mtl.network.network import Network
from edge_mtl.spec import ModelSpec
from edge_mtl.tasks import ClassificationTask, PoseTask

Make = Callable[[ModelSpec], Network]
Picture = Callable[[int], Tensor]
Streets = Callable[[int], Dataset]


@pytest.mark.parametrize(
    ("channels", "ratio", "kept"),
    [
        (64, 0.3, 48),  # 44.8: 48 is the nearest
        (64, 0.5, 32),
        (24, 0.3, 16),  # 16.8
        (16, 0.3, 16),  # 11.2: 8 would be more than a tenth less
        (16, 0.5, 8),
        (8, 0.9, 8),
        (12, 0.1, 12),  # never wider
        (320, 0.01, 320),
    ],
)
def test_a_multiple_of_eight_stays(channels: int, ratio: float, kept: int) -> None:
    assert kept_channels(channels, ratio) == kept


@pytest.mark.parametrize(
    ("backbone", "attention"),
    [
        ("edgenet-n", "squeeze-excite"),
        ("efficientnet-lite0", "cross-task"),
        ("resnet18", "none"),
    ],
)
def test_every_kind_of_network_gets_narrower_and_can_be_loaded(
    make_network: Make,
    spec: ModelSpec,
    streets: Streets,
    tmp_path: Path,
    backbone: str,
    attention: str,
) -> None:
    tasks = (
        *spec.tasks,
        PoseTask(classes=("car",), keypoints=("left", "right"), strides=(8, 16)),
        ClassificationTask(name="weather", classes=("dry", "wet", "snow")),
    )
    spec = msgspec.structs.replace(spec, backbone=backbone, attention=attention, tasks=tasks)
    network = make_network(spec)
    narrow = prune(network, 0.5, streets(2))
    before, after = Cost.of(network), Cost.of(narrow)
    assert after.parameters < 0.35 * before.parameters
    assert after.macs < 0.4 * before.macs
    for name, module in narrow.named_modules():
        if isinstance(module, nn.Conv2d) and module.bias is None:
            assert module.out_channels % 8 == 0, name
    image = torch.randn(1, 3, 32, 64)
    with torch.no_grad():
        raw = narrow(image)
        assert {name: value.shape for name, value in raw.items()} == {
            tensor.name: tensor.shape for tensor in spec.output_tensors
        }
        path = tmp_path / "narrow.safetensors"
        save_checkpoint(path, spec, narrow.state_dict(), pruned=True)
        loaded = load_checkpoint(path, spec)
        assert loaded.backbone.channels == narrow.backbone.channels
        for name, value in loaded(image).items():
            assert torch.equal(value, raw[name]), name


def test_a_narrow_network_is_exported_to_8_bits_like_any_other(
    make_network: Make, spec: ModelSpec, streets: Streets, picture: Picture
) -> None:
    spec = msgspec.structs.replace(spec, backbone="efficientnet-lite0")
    narrow = prune(make_network(spec), 0.5, streets(2))
    # It refuses a graph that computes something else than the network.
    floating, cpu = onnx_from_network(narrow), scheme("cpu")
    model = quantize(floating, cpu, calibrate(floating, spec, cpu, streets(8)))
    strip_edges(model)
    kinds = {node.op_type for node in model.graph.node}
    assert kinds == {"Conv", "Add", "Resize", "QuantizeLinear", "DequantizeLinear"}
    session = onnxruntime.InferenceSession(model.SerializeToString())
    image, *_ = edge_tensors(model, spec)
    pixels = (picture(0).numpy() / image.scale + image.zero_point).round().astype("uint8")
    found = session.run(None, {"image": pixels})
    assert [each.shape for each in found] == [tensor.shape for tensor in spec.output_tensors]
    assert {each.dtype.name for each in found} == {"uint8"}


def test_textbook_networks_are_pruned_too(
    make_network: Make, fusionnet: ModelSpec, streets: Streets
) -> None:
    narrow = prune(make_network(fusionnet), 0.5, streets(2))
    assert narrow.backbone.channels == (128,)
    assert narrow(torch.zeros(1, 3, 32, 64))["road"].shape == (1, 1, 32, 64)


def test_a_class_alone_does_not_outweigh_everything_else(
    make_network: Make, spec: ModelSpec, streets: Streets
) -> None:
    """One logit of a picture has no spread that its change could be measured in."""
    wet = ClassificationTask(name="wet", classes=("wet",), multi_label=True)
    network = make_network(msgspec.structs.replace(spec, tasks=(*spec.tasks, wet)))
    effects = channel_effects(network, streets(2))
    assert max(float(each.abs().max()) for each in effects.values()) < 1000


def test_channels_that_nothing_comes_of_go_first(
    make_network: Make, fusionnet: ModelSpec, streets: Streets, picture: Picture
) -> None:
    """Half of the channels of each layer say nothing; without them nothing changes."""
    network = make_network(fusionnet)
    convolutions = [each for each in network.modules() if isinstance(each, nn.Conv2d)]
    with torch.no_grad():
        for layer, reader in pairwise(convolutions):
            silent = torch.randperm(layer.out_channels)[: layer.out_channels // 2]
            reader.weight[:, silent] = 0
            layer.weight[silent] *= 10  # a magnitude would keep these
    narrow = prune(network, 0.5, streets(2))
    with torch.no_grad():
        expected, found = network(picture(0)), narrow(picture(0))
    torch.testing.assert_close(found["road"], expected["road"])


def test_the_network_itself_is_left_alone(
    make_network: Make, spec: ModelSpec, streets: Streets
) -> None:
    network = make_network(spec)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    calls: list[tuple[int, int]] = []
    prune(network, 0.3, streets(2), lambda done, frames: calls.append((done, frames)))
    assert calls == [(1, 2), (2, 2)]
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert all(each.grad is None for each in network.parameters())


def test_an_effect_is_the_first_order_change_of_the_outputs(
    make_network: Make, fusionnet: ModelSpec, streets: Streets, picture: Picture
) -> None:
    """Of the last layer, on which the outputs depend linearly, it is the change itself."""
    network = make_network(fusionnet)
    frames = streets(1)
    effects = channel_effects(network, frames)
    reader = list(network.heads[0].logits["road"])[-1]
    assert isinstance(reader, nn.Conv2d)
    direction = torch.randn(1, 1, 32, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        whole = network(picture(0))["road"]
        reader.weight[:, 5] = 0
        change = whole - network(picture(0))["road"]
    expected = (change * direction).sum() / whole.numel() ** 0.5 / whole.std(correction=0)
    assert effects[reader].shape == (1, 64)
    torch.testing.assert_close(effects[reader][0, 5], expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("ratio", [0.0, 1.0, -0.3, 30.0])
def test_ratios_that_mean_nothing(
    make_network: Make, fusionnet: ModelSpec, streets: Streets, ratio: float
) -> None:
    with pytest.raises(UsageError, match="a ratio between 0 and 1"):
        prune(make_network(fusionnet), ratio, streets(1))


def test_there_are_no_frames(make_network: Make, fusionnet: ModelSpec, streets: Streets) -> None:
    with pytest.raises(UsageError, match="found none in streets"):
        prune(make_network(fusionnet), 0.3, streets(0))


def test_grouped_convolutions_are_refused(
    make_network: Make, fusionnet: ModelSpec, streets: Streets
) -> None:
    network = make_network(fusionnet)
    network.backbone.stages[0][0] = nn.Conv2d(64, 128, 3, padding=1, groups=2)
    with pytest.raises(UsageError, match="convolutions in 2 groups"):
        prune(network, 0.3, streets(1))
