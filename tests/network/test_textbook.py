from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from edge_mtl.errors import UsageError
from edge_mtl.network.checkpoint import load_checkpoint, save_checkpoint
from edge_mtl.network.network import Network
from edge_mtl.network.textbook import TEXTBOOKS
from edge_mtl.spec import InputSpec, ModelSpec
from edge_mtl.tasks import ClassificationTask, DetectionTask, SegmentationTask, Task


def binary(name: str, stride: int = 1, flag: bool = True) -> SegmentationTask:
    return SegmentationTask(
        name=name,
        classes=("background", name),
        stride=stride,  # type: ignore[arg-type]
        binary=flag,
    )


TASKS: dict[str, tuple[Task, ...]] = {
    "fusionnet": (binary("road"), binary("building"), binary("vegetation")),
    "multitask-cnn": (
        ClassificationTask(name="a", classes=tuple("abcdefghijklmnopqrst"), multi_label=True),
        ClassificationTask(name="b", classes=tuple("abcdefghij"), multi_label=True),
        ClassificationTask(name="c", classes=tuple("abcde")),
    ),
}


def make_spec(backbone: str, *tasks: Task) -> ModelSpec:
    return ModelSpec(
        name="tiny",
        input=InputSpec(width=96, height=64),
        backbone=backbone,
        tasks=tasks or TASKS[backbone],
    )


@pytest.mark.parametrize("backbone", TEXTBOOKS)
def test_outputs_are_those_of_the_spec(backbone: str) -> None:
    spec = make_spec(backbone)
    with torch.device("meta"):
        network = Network(spec)
        outputs = network(torch.zeros(spec.input_tensor.shape))
        other = network(torch.zeros(3, 3, 32, 160))
    found = [(name, tuple(value.shape)) for name, value in outputs.items()]
    assert found == [(tensor.name, tensor.shape) for tensor in spec.output_tensors]
    assert all(len(value) == 3 for value in other.values())  # any size of picture


@pytest.mark.parametrize("backbone", TEXTBOOKS)
def test_the_trunk_is_the_backbone_and_all_of_it_is_shared(backbone: str) -> None:
    torch.manual_seed(0)
    network = Network(make_spec(backbone))
    for value in network(torch.randn(1, 3, 32, 32)).values():
        network.zero_grad()
        value.square().mean().backward(retain_graph=True)
        assert all(each.grad is not None for each in network.backbone.parameters())
    parts = [network.backbone.stem, *network.backbone.stages]
    inside = {id(each) for part in parts for each in part.parameters()}
    assert inside == {id(each) for each in network.backbone.parameters()}
    features = network.features(torch.randn(1, 3, 32, 64))
    assert features.pyramid == {}
    [shape] = [tuple(each.shape) for each in features.backbone]
    [width], [stride] = network.backbone.channels, network.backbone.strides
    assert shape == (1, width, 32 // stride, 64 // stride)


def test_fusionnet_is_the_network_of_the_text() -> None:
    """3-64-128-256, then 256-64-1 for every task, in plain functions."""
    torch.manual_seed(0)
    network = Network(make_spec("fusionnet")).eval()
    weights = iter(network.state_dict().values())
    image = torch.randn(1, 3, 32, 32)

    def layer(x: torch.Tensor) -> torch.Tensor:
        weight, bias = next(weights), next(weights)
        return F.conv2d(x, weight, bias, padding=weight.shape[-1] // 2)

    with torch.inference_mode():
        found, x = network(image), image
        for width in (64, 128, 256):
            x = layer(x).relu()
            assert x.shape == (1, width, 32, 32)
        for name in ("road", "building", "vegetation"):
            y = layer(x).relu()
            assert y.shape == (1, 64, 32, 32)
            torch.testing.assert_close(found[name], layer(y), rtol=1e-4, atol=1e-4)
    assert next(weights, None) is None


def test_multitask_cnn_is_the_network_of_the_text() -> None:
    """3-64, ReLU, max pool, and a linear layer for every task, on a grid of 8x8."""
    torch.manual_seed(0)
    network = Network(make_spec("multitask-cnn")).eval()
    first, bias, *heads = network.state_dict().values()
    image = torch.randn(2, 3, 64, 96)
    with torch.inference_mode():
        found = network(image)
        x = F.max_pool2d(F.conv2d(image, first, bias, padding=1).relu(), 2)
        x = F.adaptive_avg_pool2d(x, 8).flatten(1)
        for name, weight, head_bias in zip("abc", heads[::2], heads[1::2], strict=True):
            expected = F.linear(x, weight.flatten(1), head_bias)
            torch.testing.assert_close(found[name].flatten(1), expected, rtol=1e-4, atol=1e-4)
    assert [value.shape[1] for value in found.values()] == [20, 10, 5]


@pytest.mark.parametrize("backbone", TEXTBOOKS)
def test_checkpoints_hold_them(backbone: str, tmp_path: Path) -> None:
    spec = make_spec(backbone)
    network = Network(spec)
    save_checkpoint(tmp_path / "a.safetensors", spec, network.state_dict())
    loaded = load_checkpoint(tmp_path / "a.safetensors", spec)
    assert all(torch.equal(loaded.state_dict()[k], v) for k, v in network.state_dict().items())


@pytest.mark.parametrize(
    ("backbone", "task", "message"),
    [
        ("fusionnet", binary("road", stride=4), "stride 1, found task 'road'; give it binary"),
        ("fusionnet", binary("road", flag=False), "binary segmentation tasks of stride 1, found"),
        ("fusionnet", DetectionTask(classes=("car",)), "found task 'detection'"),
        ("multitask-cnn", binary("road"), "solves classification tasks, found task 'road'"),
    ],
)
def test_tasks_that_do_not_fit_are_refused(backbone: str, task: Task, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Network(make_spec(backbone, task))
