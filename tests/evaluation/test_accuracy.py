from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from onnx import load_from_string, numpy_helper
from torch import nn

from edge_mtl.bundle import Bundle
from edge_mtl.data.sample import IGNORE, Boxes, Sample, Vocabulary
from edge_mtl.evaluation.accuracy import RANKING_THRESHOLD, evaluate
from edge_mtl.evaluation.table import accuracy_table
from edge_mtl.network.engine import TorchEngine
from edge_mtl.runtime.engines import open_engine
from edge_mtl.spec import InputSpec, ModelSpec
from edge_mtl.tasks import DetectionTask, SegmentationTask

SPEC = ModelSpec(
    name="tiny",
    input=InputSpec(width=64, height=32),
    backbone="none",
    tasks=(
        SegmentationTask(name="surface", classes=("sky", "road", "car")),
        DetectionTask(classes=("car",), strides=(8,), score_threshold=0.5),
    ),
)


class Blocks:
    """Frames of 64x32 with labels that change only from one 4x4 block to the next.

    The red value of a block is its class; each frame has one car, of 2x2 cells of stride 8.
    """

    name = "blocks"
    vocabulary = Vocabulary({"surface": ("road", "sky", "car")}, ("car",))

    def __init__(self, boxes: bool = True) -> None:
        self._boxes = boxes

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> Sample:
        mask = np.ones((32, 64), np.uint8)
        mask[16:] = 0
        mask[16:32, 16 * index : 16 * index + 16] = 2
        image = np.zeros((32, 64, 3), np.uint8)
        image[..., 2] = mask
        mask[:4] = IGNORE
        corners = np.array([[16 * index, 16, 16 * index + 16, 32]], np.float32)
        boxes = Boxes(corners, np.array([0])) if self._boxes else None
        return Sample(image, f"block {index}", {"surface": mask}, boxes)


class Oracle:
    """An engine that reads the labels off the picture; `wrong` swaps two classes."""

    name = "oracle"

    def __init__(self, spec: ModelSpec, wrong: bool = False, score: float = 4.0) -> None:
        self.input_tensor, self.output_tensors = spec.input_tensor, spec.output_tensors
        self.image: NDArray[Any] = np.zeros(self.input_tensor.shape, np.float32)
        self.planes: dict[str, NDArray[Any]] = {}
        self.plane_tensors = spec.plane_tensors
        self.outputs: dict[str, NDArray[Any]] = {
            each.name: np.zeros(each.shape, np.float32) for each in self.output_tensors
        }
        self._values = spec.input.normalization()[0]
        self._wrong = wrong
        self._score = score

    def infer(self, frames: int = 1) -> None:
        value = np.abs(self.image[0, 0, ::4, ::4, None] - self._values[:3]).argmin(-1)
        classes = np.array([1, 0, 2])[value]  # the data set's ids, in the spec's order
        if self._wrong:
            classes = np.array([1, 0, 2])[classes]
        self.outputs["surface"][0] = 8.0 * (np.arange(3)[:, None, None] == classes)
        # The cell at the top left of the car: its centre is 4 px from there and 12 from the rest.
        column = int((value == 2).any(0).argmax()) // 2
        self.outputs["detection_scores_8"][...] = -20.0
        self.outputs["detection_scores_8"][0, 0, 2, column] = self._score
        self.outputs["detection_boxes_8"][0, :, 2, column] = (0.5, 0.5, 1.5, 1.5)

    def close(self) -> None:
        """Nothing is open."""


def test_labels_as_logits_are_right_everywhere() -> None:
    seen: list[tuple[int, int]] = []
    accuracy = evaluate(SPEC, Oracle(SPEC), Blocks(), lambda done, all_: seen.append((done, all_)))
    assert seen == [(1, 3), (2, 3), (3, 3)]
    figures = accuracy.to_json()
    assert figures["frames"] == 3
    # Upsampling from stride 4 blurs borders between blocks by less than half a block.
    assert figures["surface"]["iou"].keys() == {"sky", "road", "car"}
    assert figures["surface"]["miou"] == pytest.approx(1.0, abs=0.02)
    assert figures["detection"]["map"] == pytest.approx(1.0)
    assert figures["detection"]["f1"] == 1.0


def test_classes_are_told_apart_by_name() -> None:
    figures = evaluate(SPEC, Oracle(SPEC, wrong=True), Blocks()).to_json()
    assert figures["surface"]["iou"]["sky"] < 0.05
    assert figures["surface"]["iou"]["road"] < 0.05
    assert figures["surface"]["iou"]["car"] > 0.95


def test_what_the_data_does_not_label_is_not_reported() -> None:
    assert evaluate(SPEC, Oracle(SPEC), Blocks(boxes=False)).to_json().keys() == {
        "frames",
        "surface",
    }


def test_map_ranks_below_the_threshold_at_which_boxes_are_shown() -> None:
    faint = evaluate(SPEC, Oracle(SPEC, score=-2.0), Blocks()).to_json()["detection"]
    assert 1 / (1 + np.exp(2.0)) > RANKING_THRESHOLD
    assert faint["map50"] == pytest.approx(1.0)
    assert faint["recall"] == 0.0


def test_a_network_in_torch_and_in_onnx_runtime_measure_the_same(
    tiny_spec: ModelSpec, tiny_bundle: Bundle
) -> None:
    """The same convolutions through `TorchEngine` and through the bundle."""
    weights = {
        each.name: torch.from_numpy(numpy_helper.to_array(each).copy())
        for each in load_from_string(tiny_bundle.network).graph.initializer
    }

    class Convolutions(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weights = nn.ParameterDict(weights)

        def forward(self, image: Any) -> dict[str, Any]:
            return {
                name.removesuffix("_weight"): F.conv2d(image, kernel, stride=kernel.shape[-1])
                for name, kernel in self.weights.items()
            }

    class Streets(Blocks):
        vocabulary = Vocabulary({"classes": ("Sky", "Road", "Car")}, ("Car",))

        def __getitem__(self, index: int) -> Sample:
            image = np.random.default_rng(index).integers(0, 256, (64, 96, 3), np.uint8)
            labels = np.random.default_rng(index).integers(0, 3, (64, 96), np.uint8)
            boxes = Boxes(np.array([[8, 8, 40, 40]], np.float32), np.array([0]))
            return Sample(image, "street", {"classes": labels}, boxes)

    engine = open_engine("onnxruntime", tiny_bundle, 1)
    deployed = evaluate(tiny_spec, engine, Streets()).to_json()
    engine.close()
    trained = evaluate(tiny_spec, TorchEngine(Convolutions().eval(), tiny_spec), Streets())
    assert trained.to_json()["classes"]["miou"] > 0.05
    _compare(trained.to_json(), deployed)


def _compare(left: dict[str, Any], right: dict[str, Any]) -> None:
    assert left.keys() == right.keys()
    for key, value in left.items():
        if isinstance(value, dict):
            _compare(value, right[key])
        else:
            assert value == pytest.approx(right[key], abs=2e-4), key


def test_accuracies_side_by_side() -> None:
    before = evaluate(SPEC, Oracle(SPEC), Blocks())
    after = evaluate(SPEC, Oracle(SPEC, wrong=True), Blocks())
    table = accuracy_table({"float": before, "int8": after})
    assert [column.header for column in table.columns] == [
        "task",
        "figure",
        "float",
        "int8",
        "change",
    ]
    cells = [list(column.cells) for column in table.columns]
    row = cells[1].index("IoU car")
    assert cells[0][row] == "surface"
    assert float(str(cells[4][row])) == pytest.approx(0.0, abs=3)
    assert float(str(cells[4][cells[1].index("mIoU")])) < -50
    assert msgspec.json.decode(msgspec.json.encode(before.to_json())) == before.to_json()
