from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from functools import cache
from typing import Any

import msgspec
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from edge_mtl.compression import fake_quantization
from edge_mtl.compression.fake_quantization import FakeQuantization
from edge_mtl.data.datasets import Dataset
from edge_mtl.errors import UsageError
from edge_mtl.export import calibration
from edge_mtl.export.graph import onnx_from_network
from edge_mtl.export.quantize import quantize
from edge_mtl.export.schemes import SCHEMES, scheme
from edge_mtl.network.network import Network
from edge_mtl.spec import ModelSpec
from edge_mtl.tasks import ClassificationTask, Task

Make = Callable[[ModelSpec], Network]
Frozen = Callable[[Network], Network]
Picture = Callable[[int], Tensor]
Streets = Callable[[int], Dataset]
FRAMES = 8
TIME = ClassificationTask(name="time", classes=("day", "dusk", "night"))
DISTINCT = [
    name for i, name in enumerate(SCHEMES) if SCHEMES[name] not in list(SCHEMES.values())[:i]
]
"""Of the targets that have the same scheme, the first."""


def scales_of(model: onnx.ModelProto) -> list[float]:
    """The scales of all activations that are quantised."""
    values: dict[str, Any] = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}
    return [
        float(values[node.input[1]])
        for node in model.graph.node
        if node.op_type == "QuantizeLinear" and node.input[0] not in values
    ]


def kernel_scales_of(model: onnx.ModelProto) -> list[tuple[float, ...]]:
    """The scales of every convolution's kernel that is in 8 bits, one for each output channel."""
    values: dict[str, Any] = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}
    writers = {node.output[0]: node for node in model.graph.node}
    return [
        tuple(values[writers[node.input[1]].input[1]].tolist())
        for node in model.graph.node
        if node.op_type == "Conv" and node.input[1] in writers
    ]


def kernels_rounded_by(
    quantization: FakeQuantization,
    network: Network,
    image: Tensor,
    monkeypatch: pytest.MonkeyPatch,
) -> list[tuple[float, ...]]:
    """The scales of every kernel that one pass of a network rounds."""
    found: list[tuple[float, ...]] = []

    def note(weight: Tensor) -> Tensor:
        largest = weight.detach().abs().amax((1, 2, 3))
        found.append(tuple((torch.where(largest > 0, largest, 1.0) / 127).tolist()))
        return weight

    with monkeypatch.context() as patch, torch.no_grad():
        patch.setattr(fake_quantization, "_rounded_weight", note)
        with quantization:
            network(image)
    return found


def run(model: onnx.ModelProto, image: Tensor) -> dict[str, Any]:
    session = onnxruntime.InferenceSession(model.SerializeToString())
    names = [each.name for each in session.get_outputs()]
    return dict(zip(names, session.run(None, {"image": image.numpy()}), strict=True))


@pytest.fixture(scope="module")
def exported(make_network: Make) -> Callable[[ModelSpec], onnx.ModelProto]:
    """The float graph of a spec's network, made once."""
    return cache(lambda spec: onnx_from_network(make_network(spec)))


def calibrate(
    quantization: FakeQuantization,
    network: Network,
    picture: Picture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Let it see what a calibration sees: the float network on all frames."""
    with monkeypatch.context() as patch, torch.no_grad():
        patch.setattr(quantization, "_fake_quantized", lambda value, _: value)
        patch.setattr(fake_quantization, "_rounded_weight", lambda weight: weight)
        for number in range(FRAMES):
            with quantization:
                network(picture(number))
    quantization.eval()


@pytest.mark.parametrize("target", DISTINCT)
@pytest.mark.parametrize(
    ("backbone", "attention", "tasks"),
    [
        ("edgenet-n", "cross-task", None),
        ("efficientnet-lite0", "none", None),
        ("multitask-cnn", "none", (TIME,)),
        pytest.param("resnet18", "squeeze-excite", None, marks=pytest.mark.slow),
    ],
    ids=["edgenet", "efficientnet", "multitask-cnn", "resnet"],
)
def test_what_is_rounded_is_what_an_export_quantises(
    make_network: Make,
    exported: Callable[[ModelSpec], onnx.ModelProto],
    frozen: Frozen,
    picture: Picture,
    streets: Streets,
    spec: ModelSpec,
    monkeypatch: pytest.MonkeyPatch,
    backbone: str,
    attention: Any,
    tasks: tuple[Task, ...] | None,
    target: str,
) -> None:
    """Activations have the ranges that a calibration finds, each of them and no other; the same
    convolutions have kernels of 8 bits, with the same scale for each channel."""
    spec = msgspec.structs.replace(
        spec, backbone=backbone, attention=attention, tasks=tasks or (*spec.tasks, TIME)
    )
    network = frozen(make_network(spec))
    ranges = calibration.calibrate(exported(spec), spec, scheme(target), streets(FRAMES))
    quantized = quantize(exported(spec), scheme(target), ranges)
    quantization = FakeQuantization(network, scheme(target), decay=1.0)
    calibrate(quantization, network, picture, monkeypatch)
    low, high = quantization.ranges.double().T
    scales = torch.maximum(-low, high) / 127 if scheme(target).signed else (high - low) / 255
    found = [scales[each[0]].item() for each in quantization._sites if each is not None]
    np.testing.assert_allclose(sorted(found), sorted(scales_of(quantized)), rtol=1e-4)
    kernels = kernels_rounded_by(quantization, network, picture(0), monkeypatch)
    expected = kernel_scales_of(quantized)
    assert len(kernels) == len(expected) > 1
    for each, wanted in zip(sorted(kernels), sorted(expected), strict=True):
        np.testing.assert_allclose(each, wanted, rtol=1e-4)


@pytest.mark.parametrize("target", ["cpu", "tensorrt"])
def test_onnx_runtime_computes_what_is_trained(
    make_network: Make,
    exported: Callable[[ModelSpec], onnx.ModelProto],
    frozen: Frozen,
    picture: Picture,
    streets: Streets,
    fusionnet: ModelSpec,
    monkeypatch: pytest.MonkeyPatch,
    target: str,
) -> None:
    """To less than a step of the output in the mean; the float network is further away."""
    network = frozen(make_network(fusionnet))
    ranges = calibration.calibrate(exported(fusionnet), fusionnet, scheme(target), streets(FRAMES))
    quantized = quantize(exported(fusionnet), scheme(target), ranges)
    quantization = FakeQuantization(network, scheme(target), decay=1.0)
    calibrate(quantization, network, picture, monkeypatch)
    image = picture(FRAMES)  # not one that it was calibrated with
    with torch.no_grad():
        plain = network(image)["road"]
        with quantization:
            expected = network(image)["road"]
    found = torch.from_numpy(run(quantized, image)["road"])
    step = np.ptp(plain.numpy()) / 255
    error = (found - expected).square().mean().sqrt().item()
    lost = (found - plain).square().mean().sqrt().item()
    assert error < step
    assert error < 0.4 * lost


def test_gradients_pass_the_rounding(
    make_network: Make, frozen: Frozen, picture: Picture, fusionnet: ModelSpec
) -> None:
    network = frozen(make_network(fusionnet))
    gradients = []
    for context in (nullcontext(), FakeQuantization(network, scheme("cpu"))):
        network.zero_grad()
        with context:
            raw = network(picture(0))
        raw["road"].square().mean().backward()
        gradients.append([each.grad.clone() for each in network.parameters()])
    for plain, rounded in zip(*gradients, strict=True):
        assert nn.functional.cosine_similarity(plain.flatten(), rounded.flatten(), 0) > 0.99


def test_the_network_stays_a_float_network(
    make_network: Make, frozen: Frozen, picture: Picture, spec: ModelSpec
) -> None:
    network = frozen(make_network(spec))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with torch.no_grad():
        plain = network(picture(0))
        quantization = FakeQuantization(network, scheme("cpu"))
        with quantization:
            rounded = network(picture(0))
        again = network(picture(0))
    after = network.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    for name, value in plain.items():
        assert torch.equal(again[name], value)
        assert not torch.equal(rounded[name], value)
        assert len(rounded[name].unique()) <= 256


def test_old_extremes_fade_in_training_and_nothing_moves_in_evaluation(
    make_network: Make, frozen: Frozen, picture: Picture, fusionnet: ModelSpec
) -> None:
    network = frozen(make_network(fusionnet))
    quantization = FakeQuantization(network, scheme("cpu"), decay=0.5)

    def see(image: Tensor) -> Tensor:
        with torch.no_grad(), quantization:
            network(image)
        return quantization.ranges[0].clone()

    image = picture(0)
    seen = torch.stack(image.aminmax())
    assert torch.equal(see(image), seen)
    torch.testing.assert_close(see(0 * image), 0.5 * seen)
    assert torch.equal(see(3 * image), 3 * seen)
    quantization.eval()
    assert torch.equal(see(5 * image), 3 * seen)


def test_ranges_are_state(make_network: Make, frozen: Frozen, fusionnet: ModelSpec) -> None:
    network = frozen(make_network(fusionnet))
    first, second = (FakeQuantization(network, scheme("cpu")) for _ in range(2))
    with torch.no_grad(), first:
        network(torch.ones(1, 3, 32, 64))
    second.load_state_dict(first.state_dict())
    assert list(first.state_dict()) == ["ranges"]
    assert torch.equal(second.ranges, first.ranges)


def test_batch_norms_that_learn_statistics_are_a_mistake(
    make_network: Make, picture: Picture, spec: ModelSpec
) -> None:
    network = make_network(spec)
    quantization = FakeQuantization(network, scheme("cpu"))
    with pytest.raises(RuntimeError, match="with its batch norms frozen"), quantization:
        network.train()(picture(0))


def test_batch_norms_that_are_not_folded_are_refused(make_network: Make, spec: ModelSpec) -> None:
    network = make_network(spec)
    network.backbone.stem.append(nn.Sequential(nn.BatchNorm2d(16)))
    network.backbone.stem = nn.Sequential(*network.backbone.stem)
    with pytest.raises(UsageError, match="edgenet-n it does not know how to"):
        FakeQuantization(network, scheme("cpu"))
