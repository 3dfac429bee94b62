from __future__ import annotations

import pytest
import torch

from edge_mtl.network.backbones import BACKBONES
from edge_mtl.network.network import Network
from edge_mtl.spec import DetectionTask, InputSpec, ModelSpec, SegmentationTask


def make_spec(backbone: str) -> ModelSpec:
    return ModelSpec(
        name="tiny",
        input=InputSpec(width=96, height=64),
        backbone=backbone,
        neck_channels=8,
        tasks=(
            SegmentationTask(name="drivable", classes=("no", "yes"), stride=8),
            DetectionTask(classes=("car", "sign"), strides=(4, 16, 32)),
            SegmentationTask(name="surface", classes=("road", "grass", "snow")),
            SegmentationTask(name="lanes", classes=("background", "lane")),
        ),
    )


@pytest.mark.parametrize("backbone", BACKBONES)
def test_outputs_are_those_of_the_spec(backbone: str) -> None:
    spec = make_spec(backbone)
    with torch.inference_mode():
        outputs = Network(spec).eval()(torch.zeros(spec.input_tensor.shape))
    found = [(name, tuple(value.shape)) for name, value in outputs.items()]
    assert found == [(tensor.name, tensor.shape) for tensor in spec.output_tensors]


@pytest.mark.parametrize("backbone", BACKBONES)
def test_other_sizes_and_batches(backbone: str) -> None:
    with torch.inference_mode():
        outputs = Network(make_spec(backbone)).eval()(torch.zeros(2, 3, 32, 160))
    assert outputs["surface"].shape == (2, 3, 8, 40)
    assert outputs["drivable"].shape == (2, 2, 4, 20)
    assert outputs["detection_boxes_32"].shape == (2, 4, 1, 5)


def test_every_parameter_reaches_an_output() -> None:
    network = Network(make_spec("edgenet-n")).train()
    outputs = network(torch.randn(2, 3, 64, 96))
    torch.stack([value.square().mean() for value in outputs.values()]).sum().backward()
    without = [name for name, value in network.named_parameters() if value.grad is None]
    assert without == []


def test_an_untrained_network_sees_next_to_nothing() -> None:
    """The head starts at a prior of 1 %, so that training does not start with all cells wrong."""
    torch.manual_seed(0)
    spec = make_spec("edgenet-n")
    with torch.inference_mode():
        outputs = Network(spec)(torch.randn(spec.input_tensor.shape))
    assert outputs["detection_scores_16"].sigmoid().max() < 0.05
    assert outputs["detection_boxes_16"].mean() == pytest.approx(1.5, abs=0.2)
