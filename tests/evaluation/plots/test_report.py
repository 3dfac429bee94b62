from __future__ import annotations

import logging
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edge_mtl.data.sample import Boxes, Sample, Vocabulary
from edge_mtl.errors import EdgeMtlError
from edge_mtl.evaluation.accuracy import measure
from edge_mtl.evaluation.plots.report import Report
from edge_mtl.network.engine import TorchEngine
from edge_mtl.spec import InputSpec, ModelSpec
from edge_mtl.tasks import ClassificationTask, DetectionTask, SegmentationTask

SPEC = ModelSpec(
    name="red",
    input=InputSpec(width=64, height=32, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)),
    backbone="none",
    tasks=(
        SegmentationTask(name="surface", classes=("road", "car")),
        DetectionTask(classes=("car",), strides=(8,)),
        ClassificationTask(name="present", classes=("car", "dog"), multi_label=True),
    ),
)


class Red(nn.Module):
    """What is red is a car."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(8.0))

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        red = self.scale * (image[:, :1] - 0.5)
        surface, cells = F.avg_pool2d(red, 4), F.avg_pool2d(red, 8)
        anywhere = red.amax((2, 3), keepdim=True)
        return {
            "surface": torch.cat([-surface, surface], 1),
            "detection_scores_8": cells,
            "detection_boxes_8": torch.ones_like(cells).repeat(1, 4, 1, 1),
            "present": torch.cat([anywhere, -anywhere], 1),
        }


class Cars:
    """One red square a frame, further right from frame to frame; the labels of the last are off."""

    name = "cars"
    vocabulary = Vocabulary({"surface": ("road", "car")}, ("car",), {"present": ("car", "dog")})

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> Sample:
        image = np.zeros((32, 64, 3), np.uint8)
        image[8:24, 12 * index : 12 * index + 16, 2] = 255
        off = 16 * (index == 3)
        mask = np.zeros((32, 64), np.uint8)
        mask[8:24, 12 * index - off : 12 * index - off + 16] = 1
        corners = np.array([[12 * index - off, 8, 12 * index - off + 16, 24]], np.float32)
        boxes = Boxes(corners, np.zeros(1, np.int64))
        return Sample(image, f"car {index}", {"surface": mask}, boxes, {"present": ("car",)})


def test_a_report_of_a_checkpoint(tmp_path: Path) -> None:
    network = Red().eval()
    engine = TorchEngine(network, SPEC)
    report = Report(tmp_path / "new" / "plots", SPEC, engine, Cars())
    evaluation = measure(SPEC, engine, Cars(), each_frame=True)
    surfaces = [each["surface"] for each in evaluation.frame_headlines]
    assert min(surfaces[:3]) > 0.9
    assert surfaces[3] < 0.5
    told: list[tuple[int, int]] = []
    report.draw(evaluation, network, lambda done, all_: told.append((done, all_)))
    assert told == [(1, 3), (2, 3), (3, 3)]
    plots = {path.name: cv2.imread(str(path)) for path in (tmp_path / "new" / "plots").iterdir()}
    assert plots.keys() == {
        *(f"surface_{kind}.png" for kind in ("confusion", "iou", "frames", "attribution")),
        *(f"detection_{kind}.png" for kind in ("precision_recall", "frames", "attribution")),
        *("present_f1.png", "present_attribution.png"),
    }
    for name, image in plots.items():
        assert image.shape[0] >= 180, name
        assert image.shape[1] >= 500, name
        assert len(np.unique(image.astype(int) @ [1, 256, 65536])) > 50, name


def test_a_bundle_has_no_gradients(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in ("_plot_figures", "_plot_frames"):
        monkeypatch.setattr(Report, kind, lambda *_: None)
    engine = TorchEngine(Red().eval(), SPEC)
    with caplog.at_level(logging.INFO):
        Report(tmp_path, SPEC, engine, Cars()).draw(measure(SPEC, engine, Cars()), None)
    assert "no attribution maps" in caplog.text
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    with pytest.raises(EdgeMtlError, match="expected a folder for the plots"):
        Report(path, SPEC, TorchEngine(Red().eval(), SPEC), Cars())
