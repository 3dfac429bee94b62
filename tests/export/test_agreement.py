from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from edge_mtl.bundle import Bundle
from edge_mtl.data.datasets import Dataset
from edge_mtl.data.sample import Vocabulary
from edge_mtl.evaluation.accuracy import evaluate
from edge_mtl.evaluation.detection import DetectionAccuracy
from edge_mtl.evaluation.segmentation import SegmentationAccuracy
from edge_mtl.export.agreement import AgainstFloat, AgainstLabels
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
    measure = AgainstFloat(tiny_bundle.spec, engine, streets(3))
    assert (measure.basis, measure.data) == ("agreement", "streets")
    found = measure(engine)
    assert found.frames == 3
    assert found.tasks.keys() == {"detection", "classes", "drivable", "pose", "time"}
    for name, figures in found.tasks.items():
        for figure, value in figures.figures().items():
            assert value == pytest.approx(1.0), f"{name} {figure}"


def test_what_another_network_sees_is_compared_frame_by_frame(
    tiny_bundle: Bundle, tiny_bundle_8bit: Bundle, engine: Any, streets: Streets
) -> None:
    spec, frames = tiny_bundle.spec, streets(3)
    steps: list[tuple[int, int]] = []
    measure = AgainstFloat(spec, engine, frames, lambda *step: steps.append(step))
    assert steps == [(1, 3), (2, 3), (3, 3)]
    coarse = open_engine("onnxruntime", tiny_bundle_8bit, threads=1)
    found = measure(coarse).tasks
    classes, boxes = found["classes"], found["detection"]
    assert isinstance(classes, SegmentationAccuracy)
    assert isinstance(boxes, DetectionAccuracy)
    assert 0.5 < classes.pixel_accuracy < 1.0
    assert 0.0 < boxes.f1 < 1.0
    # A network that says nothing agrees with nobody.
    for each in coarse.outputs.values():
        each.fill(0)
    coarse.infer = lambda: None  # type: ignore[method-assign]
    silent = measure(coarse).tasks["detection"]
    assert isinstance(silent, DetectionAccuracy)
    assert silent.f1 < 0.05
    coarse.close()


def test_a_task_in_which_the_float_network_saw_nothing_is_not_measured(
    tiny_bundle: Bundle, engine: Any, streets: Streets
) -> None:
    for name, each in engine.outputs.items():
        each.fill(-20.0 if "scores" in name else 0.0)
    engine.infer = lambda: None
    found = AgainstFloat(tiny_bundle.spec, engine, streets(2))(engine)
    assert "detection" not in found.tasks
    assert "pose" not in found.tasks
    assert "classes" in found.tasks


def test_labels_are_measured_as_eval_measures_them(
    tiny_bundle: Bundle, engine: Any, streets: Streets
) -> None:
    class Cars:
        """The same streets, under the tasks' names."""

        def __init__(self) -> None:
            self._streets = streets(2)
            self.name = "cars"
            self.vocabulary = Vocabulary({"classes": ("Sky", "Road", "Car")}, ("Car",))

        def __len__(self) -> int:
            return len(self._streets)

        def __getitem__(self, index: int) -> Any:
            sample = self._streets[index]
            return dataclasses.replace(sample, masks={"classes": sample.masks["surface"]})

    measure = AgainstLabels(tiny_bundle.spec, Cars())
    assert (measure.basis, measure.data) == ("labels", "cars")
    assert measure(engine).to_json() == evaluate(tiny_bundle.spec, engine, Cars()).to_json()
    assert np.isfinite(measure(engine).headline)
