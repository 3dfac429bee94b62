from __future__ import annotations

import pytest
import torch

from edge_mtl.errors import UsageError
from edge_mtl.network.auxiliary import AuxiliaryHeads
from edge_mtl.network.network import Network
from edge_mtl.spec import InputSpec, ModelSpec
from edge_mtl.tasks import DetectionTask, SegmentationTask, Task


def make_spec(*tasks: Task, backbone: str = "edgenet-n") -> ModelSpec:
    return ModelSpec(
        name="tiny",
        input=InputSpec(width=96, height=64),
        backbone=backbone,
        neck_channels=8,
        tasks=tasks,
    )


SURFACE = SegmentationTask(name="surface", classes=("road", "grass", "snow"))
LANES = SegmentationTask(name="lanes", classes=("background", "lane"), stride=1, binary=True)
DETECTION = DetectionTask(classes=("car",))


def test_it_gives_logits_of_every_segmentation_task_at_stride_16() -> None:
    spec = make_spec(SURFACE, DETECTION, LANES)
    network = Network(spec)
    auxiliary = AuxiliaryHeads(spec, network.backbone.channels)
    found = auxiliary(network.features(torch.randn(2, 3, 64, 96)).backbone)
    shapes = {name: tuple(value.shape) for name, value in found.items()}
    assert shapes == {"surface": (2, 3, 4, 6), "lanes": (2, 1, 4, 6)}
    found["surface"].square().mean().backward()
    reached = {
        name.split(".")[1]
        for name, parameter in network.backbone.named_parameters()
        if parameter.grad is not None and name.startswith("stages.")
    }
    assert reached == {"0", "1", "2"}  # the backbone up to stride 16


def test_the_network_does_not_hold_it() -> None:
    spec = make_spec(SURFACE)
    network = Network(spec)
    names = set(network.state_dict())
    AuxiliaryHeads(spec, network.backbone.channels)
    assert set(network.state_dict()) == names


def test_what_it_cannot_help_is_refused() -> None:
    with pytest.raises(UsageError, match="this model has none"):
        AuxiliaryHeads(make_spec(DETECTION), (8, 8, 8, 8))
    spec = make_spec(LANES, backbone="fusionnet")
    with pytest.raises(UsageError, match="stride 16, which fusionnet does not give"):
        AuxiliaryHeads(spec, Network(spec).backbone.channels)
