from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edge_mtl.data.datasets import Dataset
from edge_mtl.data.sample import Sample
from edge_mtl.errors import EdgeMtlError, UsageError
from edge_mtl.export import range_cache
from edge_mtl.export.calibration import (
    LEAST_FRAMES,
    METHODS,
    CalibrationSettings,
    Method,
    activations,
    calibrate,
    check_calibration,
    preprocessed,
)
from edge_mtl.export.range_cache import cached_ranges
from edge_mtl.export.schemes import scheme
from edge_mtl.network.network import Network
from edge_mtl.runtime.engines import open_engine
from edge_mtl.runtime.pipeline import Pipeline
from edge_mtl.spec import InputSpec, ModelSpec
from edge_mtl.tasks import SegmentationTask

Streets = Callable[[int], Dataset]
CPU = scheme("cpu")
only_edgenet = pytest.mark.parametrize("backbone", ["edgenet-n"])

SPEC = ModelSpec(
    name="one",
    input=InputSpec(width=64, height=32),
    backbone="none",
    tasks=(SegmentationTask(name="surface", classes=("sky", "road"), stride=1),),
)


def one_layer(gain: float = 1.0) -> onnx.ModelProto:
    """A 1x1 convolution of two channels and a ReLU."""
    kernel = gain * np.array([[1, 0, 0], [0, -1, 0]], np.float32).reshape(2, 3, 1, 1)
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["image", "kernel"], ["before"], "conv"),
            helper.make_node("Relu", ["before"], ["surface"], "relu"),
        ],
        "one",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, (1, 3, 32, 64))],
        [helper.make_tensor_value_info("surface", TensorProto.FLOAT, (1, 2, 32, 64))],
        [numpy_helper.from_array(kernel, "kernel")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def test_too_few_frames_are_refused(streets: Streets) -> None:
    check_calibration(streets(LEAST_FRAMES))
    with pytest.raises(UsageError, match=f"at least {LEAST_FRAMES} frames, streets has 31"):
        check_calibration(streets(LEAST_FRAMES - 1))


def test_min_max_gives_the_extremes_of_all_frames(streets: Streets) -> None:
    frames = streets(3)
    pictures = [feed["image"].copy() for feed in preprocessed(SPEC, frames)]
    lowest, highest = (f(np.stack(pictures)) for f in (np.min, np.max))
    ranges = calibrate(one_layer(), SPEC, CPU, frames)
    # What the convolution gives is cut by the ReLU: its own range is of no use.
    assert ranges.keys() == {"image", "surface"}
    assert ranges["image"] == pytest.approx((lowest, highest))
    most = max(max(each[0, 0].max(), -each[0, 1].min()) for each in pictures)
    assert ranges["surface"] == pytest.approx((0.0, most))


@pytest.mark.parametrize("method", METHODS)
def test_lesson_calibration_sees_what_the_runtime_sees(
    method: Method, streets: Streets, tiny_bundle: Any
) -> None:
    """TensorRT-For-YOLO-Series#45: the calibration had left out the division by 255.

    The pictures are those that the pipeline writes into the engine, to the bit.
    """
    frames = streets(2)
    engine = open_engine("onnxruntime", tiny_bundle, threads=1)
    with Pipeline(tiny_bundle.spec, engine) as pipeline:
        for index, feed in enumerate(preprocessed(tiny_bundle.spec, frames)):
            pipeline(frames[index].image)
            np.testing.assert_array_equal(feed["image"], engine.image)
    # And whatever the method, nothing is clipped at the network's edges.
    ranges = calibrate(one_layer(), SPEC, CPU, frames, CalibrationSettings(method))
    assert ranges == calibrate(one_layer(), SPEC, CPU, frames)


@only_edgenet
@pytest.mark.parametrize("method", METHODS)
def test_every_method_gives_a_range_within_the_extremes(
    method: Method, network: Network, graph: onnx.ModelProto, streets: Streets
) -> None:
    frames = streets(2)
    for target in ("cpu", "tensorrt") if method == "percentile" else ("cpu",):
        chosen = scheme(target)
        extremes = calibrate(graph, network.spec, chosen, frames)
        ranges = calibrate(graph, network.spec, chosen, frames, CalibrationSettings(method))
        assert list(ranges) == list(extremes) == activations(graph, chosen)
        for name, (low, high) in ranges.items():
            lowest, highest = extremes[name]
            assert min(lowest, 0.0) <= low <= high <= max(highest, 0.0) or name == "image"
            assert low < high or method == "min-max", name


def test_a_network_that_overflows_is_named(streets: Streets) -> None:
    with pytest.raises(EdgeMtlError, match=r"expected activations .* 'surface' on frame 1 of str"):
        calibrate(one_layer(3e38), SPEC, CPU, streets(1))


@pytest.mark.parametrize("settings", [("kl", 99.0), ("percentile", 0.999), ("percentile", 101.0)])
def test_settings_that_mean_nothing_are_refused(settings: tuple[Any, float]) -> None:
    with pytest.raises(UsageError, match=r"expected one of min-max|keeps between 50 and 100 %"):
        CalibrationSettings(*settings)


class Count:
    """How often the network was run for ranges."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.runs = 0
        monkeypatch.setattr(range_cache, "calibrate", self._calibrate)

    def _calibrate(self, *arguments: Any) -> Any:
        self.runs += 1
        return calibrate(*arguments)


@pytest.fixture
def count(monkeypatch: pytest.MonkeyPatch) -> Count:
    return Count(monkeypatch)


class Darker:
    """The same frames, with one pixel of one of them a step darker."""

    def __init__(self, frames: Dataset) -> None:
        self.name, self.vocabulary = frames.name, frames.vocabulary
        self._frames = frames

    def __len__(self) -> int:
        return len(self._frames)

    def __getitem__(self, index: int) -> Sample:
        sample = self._frames[index]
        if index == 1:
            sample.image[3, 3, 0] = max(1, sample.image[3, 3, 0]) - 1
        return sample


def test_ranges_are_found_again_for_the_same_network_pixels_and_settings(
    streets: Streets, count: Count, tmp_path: Path
) -> None:
    frames = streets(2)
    mse = CalibrationSettings("mse")

    def ranges(
        model: onnx.ModelProto, of: Dataset, settings: CalibrationSettings, target: str = "cpu"
    ) -> Any:
        return cached_ranges(model, SPEC, scheme(target), of, settings, folder=tmp_path / "ranges")

    first = ranges(one_layer(), frames, mse)
    assert ranges(one_layer(), frames, mse) == first
    assert count.runs == 1
    ranges(one_layer(0.5), frames, mse)
    ranges(one_layer(), Darker(frames), mse)
    ranges(one_layer(), frames, CalibrationSettings("percentile", 99.0))
    ranges(one_layer(), frames, CalibrationSettings("percentile", 98.0))
    ranges(one_layer(), frames, mse, "tensorrt")
    assert count.runs == 6
    assert len(list((tmp_path / "ranges").iterdir())) == 6  # and no file half written


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "\xff\xfe",
        lambda text: text.replace('"format":1', '"format":0'),
        lambda text: text.replace("[0.0,", "[-9.0,"),
        lambda text: json.dumps({**json.loads(text), "key": "0"}),
        lambda text: json.dumps({**json.loads(text), "ranges": {}}),
        lambda text: json.dumps({**json.loads(text), "more": 1}),
    ],
)
def test_an_entry_that_is_damaged_older_or_changed_is_never_trusted(
    damage: Callable[[str], str], streets: Streets, count: Count, tmp_path: Path
) -> None:
    def ranges() -> Any:
        settings = CalibrationSettings()
        return cached_ranges(one_layer(), SPEC, CPU, streets(2), settings, folder=tmp_path)

    first = ranges()
    [path] = tmp_path.iterdir()
    text = path.read_text()
    assert damage(text) != text
    path.write_text(damage(text))
    assert ranges() == first
    assert count.runs == 2
    assert path.read_text() == text


def test_a_cache_that_cannot_be_written_costs_only_time(
    streets: Streets, count: Count, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    folder = tmp_path / "file" / "ranges"
    for _ in range(2):
        cached_ranges(one_layer(), SPEC, CPU, streets(2), CalibrationSettings(), folder=folder)
    assert count.runs == 2


def test_a_clip_and_a_folder_of_pictures_calibrate_too(tmp_path: Path, tiny_video: Path) -> None:
    import cv2

    from edge_mtl.data.datasets import open_dataset

    for index in range(3):
        cv2.imwrite(str(tmp_path / f"{index}.png"), np.full((32, 64, 3), 100 * index, np.uint8))
    for name, grey in ((f"images:{tmp_path}", 200), (f"video:{tiny_video}", 116)):
        high = calibrate(one_layer(), SPEC, CPU, open_dataset(name, "train"))["image"][1]
        assert high == pytest.approx((grey / 255 - 0.406) / 0.225, abs=0.15)
