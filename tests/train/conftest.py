"""A data set in CamVid's layout that a tiny network learns in seconds, and a run on it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge_mtl.spec import InputSpec, ModelSpec
from edge_mtl.tasks import DetectionTask, SegmentationTask
from edge_mtl.train.config import DataConfig, DataSource, TrainConfig

ROAD, CAR, UNLABELLED = 3, 8, 11


@pytest.fixture(scope="session", autouse=True)
def _one_thread(one_thread: None) -> None:
    """These networks are too small to share out, and the order of sums must not change."""


@pytest.fixture(scope="session")
def camvid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five frames of 64x64 to train with and two to validate: sky, road, one red car each."""
    root = tmp_path_factory.mktemp("camvid")
    rng = np.random.default_rng(0)
    for split, count in (("train", 5), ("val", 2)):
        (root / split).mkdir()
        (root / f"{split}annot").mkdir()
        for i in range(count):
            image = np.full((64, 64, 3), (220, 160, 120), np.uint8)
            mask = np.zeros((64, 64), np.uint8)
            image[32:], mask[32:] = 90, ROAD
            x, y = rng.integers(4, 36), rng.integers(24, 36)
            image[y : y + 20, x : x + 24], mask[y : y + 20, x : x + 24] = (30, 30, 200), CAR
            mask[:2] = UNLABELLED
            cv2.imwrite(str(root / split / f"{i}.png"), image)
            cv2.imwrite(str(root / f"{split}annot" / f"{i}.png"), mask)
    return root


@pytest.fixture(scope="session")
def spec() -> ModelSpec:
    return ModelSpec(
        name="tiny",
        input=InputSpec(width=64, height=64),
        backbone="edgenet-n",
        neck_channels=16,
        tasks=(
            SegmentationTask(name="segmentation", classes=("Sky", "Road", "Car")),
            DetectionTask(classes=("sign", "car"), strides=(8, 16)),
        ),
    )


@pytest.fixture(scope="session")
def make_config(camvid: Path, spec: ModelSpec) -> Callable[..., TrainConfig]:
    """The configuration of a tiny run, with fields replaced."""

    def make(**changes: Any) -> TrainConfig:
        source = f"camvid:{camvid}"
        data = DataConfig(
            train=(DataSource(data=source),), val=DataSource(data=source, split="val"), workers=0
        )
        fields: dict[str, Any] = {
            "name": "run",
            "model": spec,
            "data": data,
            "crop": (64, 64),
            "epochs": 4,
            "batch": 2,
            "precision": "32-true",
            "learning_rate": 2e-3,
            "ema": 0.9,
        }
        return TrainConfig(**{**fields, **changes})

    return make
