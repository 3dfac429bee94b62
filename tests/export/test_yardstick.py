from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from edge_mtl.bundle import Bundle
from edge_mtl.data.datasets import Dataset
from edge_mtl.data.sample import Sample, Vocabulary
from edge_mtl.evaluation.accuracy import evaluate
from edge_mtl.evaluation.detection import DetectionAccuracy
from edge_mtl.evaluation.segmentation import SegmentationAccuracy
from edge_mtl.export.yardstick import Yardstick
from edge_mtl.runtime.engines import open_engine

Streets = Callable[[int], Dataset]


@pytest.fixture
def engine(tiny_bundle: Bundle) -> Iterator[Any]:
    opened = open_engine("onnxruntime", tiny_bundle, threads=1)
    yield opened
    opened.close()


def test_a_network_agrees_with_itself_in_every_task(
    tiny_bundle: Bundle, engine: Any, streets: Streets
) -> None:
    yardstick = Yardstick(tiny_bundle.spec, engine, streets(3))
    assert yardstick.data == "streets"
    for measured in (yardstick.before, yardstick(engine)):
        assert not measured.labels.tasks
        found = measured.agreement
        assert found.frames == 3
        assert found.tasks.keys() == {"detection", "classes", "drivable", "pose", "time"}
        for name, figures in found.tasks.items():
            for figure, value in figures.figures().items():
                assert value == pytest.approx(1.0), f"{name} {figure}"


def test_what_another_network_sees_is_compared_frame_by_frame(
    tiny_bundle: Bundle, tiny_bundle_8bit: Bundle, engine: Any, streets: Streets
) -> None:
    steps: list[tuple[int, int]] = []
    yardstick = Yardstick(
        tiny_bundle.spec, engine, streets(3), lambda done, total: steps.append((done, total))
    )
    assert steps == [(1, 3), (2, 3), (3, 3)]
    coarse = open_engine("onnxruntime", tiny_bundle_8bit, threads=1)
    found = yardstick(coarse).agreement.tasks
    classes, boxes = found["classes"], found["detection"]
    assert isinstance(classes, SegmentationAccuracy)
    assert isinstance(boxes, DetectionAccuracy)
    assert 0.5 < classes.pixel_accuracy < 1.0
    assert 0.0 < boxes.f1 < 1.0
    # A network that says nothing agrees with nobody.
    for each in coarse.outputs.values():
        each.fill(0)
    coarse.infer = lambda frames=1: None  # type: ignore[method-assign]
    silent = yardstick(coarse).agreement.tasks["detection"]
    assert isinstance(silent, DetectionAccuracy)
    assert silent.f1 < 0.05
    coarse.close()


def test_a_task_in_which_the_float_network_saw_nothing_is_not_measured(
    tiny_bundle: Bundle, engine: Any, streets: Streets
) -> None:
    for name, each in engine.outputs.items():
        each.fill(-20.0 if "scores" in name else 0.0)
    engine.infer = lambda frames=1: None
    yardstick = Yardstick(tiny_bundle.spec, engine, streets(2))
    assert yardstick(engine).agreement.tasks.keys() == {"classes", "drivable", "time"}


class Cars:
    """Streets under the names of some tasks of the tiny network."""

    name = "cars"
    vocabulary = Vocabulary({"classes": ("Sky", "Road", "Car")}, ("Car",))

    def __init__(self, frames: Dataset) -> None:
        self._frames = frames

    def __len__(self) -> int:
        return len(self._frames)

    def __getitem__(self, index: int) -> Sample:
        sample = self._frames[index]
        return dataclasses.replace(sample, masks={"classes": sample.masks["surface"]})


def test_labelled_tasks_are_measured_as_eval_does_and_no_task_goes_unmeasured(
    tiny_bundle: Bundle, tiny_bundle_8bit: Bundle, engine: Any, streets: Streets
) -> None:
    frames = Cars(streets(2))
    yardstick = Yardstick(tiny_bundle.spec, engine, frames)
    coarse = open_engine("onnxruntime", tiny_bundle_8bit, threads=1)
    for each, found in ((engine, yardstick.before), (coarse, yardstick(coarse))):
        assert found.labels.tasks.keys() == {"detection", "classes"}
        assert found.labels.to_json() == evaluate(tiny_bundle.spec, each, frames).to_json()
        assert found.agreement.tasks.keys() == {"drivable", "pose", "time"}
    coarse.close()


def test_pictures_without_any_label_will_do(tiny_bundle: Bundle, engine: Any) -> None:
    class Pictures(Cars):
        name = "pictures"
        vocabulary = Vocabulary({})

        def __init__(self) -> None:
            pass

        def __len__(self) -> int:
            return 1

        def __getitem__(self, index: int) -> Sample:
            return Sample(np.zeros((64, 96, 3), np.uint8), "black")

    found = Yardstick(tiny_bundle.spec, engine, Pictures())(engine)
    assert not found.labels.tasks
    assert {"classes", "drivable", "time"} <= found.agreement.tasks.keys()
