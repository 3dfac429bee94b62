from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edge_mtl.evaluation.attribution import attributions
from edge_mtl.placement import Placement
from edge_mtl.spec import InputSpec, ModelSpec
from edge_mtl.tasks import ClassificationTask, DetectionTask, PoseTask, SegmentationTask

SPEC = ModelSpec(
    name="linear",
    input=InputSpec(width=128, height=64),
    backbone="none",
    tasks=(
        SegmentationTask(name="surface", classes=("road", "sky", "background")),
        SegmentationTask(name="lit", classes=("background", "light"), binary=True),
        DetectionTask(classes=("pedestrian", "car"), strides=(8, 16), score_threshold=0.5),
        PoseTask(keypoints=("nose", "left_hip"), strides=(8, 16)),
        ClassificationTask(name="time", classes=("day", "night")),
        ClassificationTask(name="present", classes=("dog", "cat"), multi_label=True),
    ),
)
WHOLE = Placement((128, 64), 0, 0, 128, 64)


class Linear(nn.Module):
    """Cells that see their own pixels and nothing else: what is red is a road, a pedestrian, lit;
    it is day if the top is green."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Parameter(torch.ones(()))

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        image = self.one * image
        red = {stride: F.avg_pool2d(image[:, :1], stride) - 0.5 for stride in (4, 8, 16)}
        green = image[:, 1:2, :8].mean((2, 3), keepdim=True) - 0.5
        raw = {
            "surface": torch.cat([red[4], -red[4], red[4] - 9], 1),
            "lit": red[4],
            "time": torch.cat([green, -green], 1),
            "present": torch.cat([green, -green], 1),
        }
        for stride in (8, 16):
            raw[f"detection_scores_{stride}"] = torch.cat([red[stride], red[stride] - 9], 1)
            raw[f"pose_visible_{stride}"] = red[stride].repeat(1, 2, 1, 1)
        return raw


@pytest.fixture
def image() -> np.ndarray:
    """Red in the left quarter, green in the right half."""
    image = np.zeros((1, 3, 64, 128), np.float32)
    image[0, 0, :, :32] = 1.0
    image[0, 1, :, 64:] = 1.5
    return image


def test_heat_lies_where_the_answer_comes_from(image: np.ndarray) -> None:
    found = attributions(Linear().eval(), SPEC, image, WHOLE, 5)
    answers = {name: [each.answer for each in listed] for name, listed in found.items()}
    assert answers == {
        "surface": ["sky", "road"],  # the larger one first; no background
        "lit": ["light"],
        "detection": ["pedestrian"],
        "pose": ["visible keypoints"],
        "time": ["day"],
        "present": ["dog"],
    }
    sky, road = (each.heat for each in found["surface"])
    red = [road, *(found[name][0].heat for name in ("lit", "detection", "pose"))]
    for heat in red:
        assert heat.shape == (64, 128)
        assert heat.max() == pytest.approx(1.0)
        assert heat[:, :28].min() > 0.5
        assert heat[:, 36:].max() < 0.05
    assert sky[:, :28].max() < 0.05
    assert sky[:, 36:].min() > 0.5
    assert found["time"][0].heat[:6].min() > 0.5
    assert found["time"][0].heat[12:].max() < 0.05


def test_padding_is_left_out(image: np.ndarray) -> None:
    inside = Placement((64, 64), 32, 0, 64, 64)
    found = attributions(Linear().eval(), SPEC, image, inside, 5)
    assert [each.answer for each in found["surface"]] == ["sky"]
    assert found["surface"][0].heat.shape == (64, 64)
    assert not found.keys() & {"detection", "pose"}  # all that they find is in the padding


def test_at_most_so_many_answers_and_none_of_nothing(image: np.ndarray) -> None:
    found = attributions(Linear().eval(), SPEC, image, WHOLE, 1)
    assert [each.answer for each in found["surface"]] == ["sky"]
    dark = attributions(Linear().eval(), SPEC, np.zeros_like(image), WHOLE, 5)
    assert dark.keys() == {"surface", "time", "present"}
