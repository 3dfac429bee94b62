from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from rich.progress import Progress as Bar
from torch import Tensor

from edge_mtl.data.augment import Augmentation
from edge_mtl.data.camvid import CamVid
from edge_mtl.errors import EdgeMtlError, UsageError
from edge_mtl.evaluation.accuracy import Accuracy
from edge_mtl.evaluation.detection import DetectionAccuracy
from edge_mtl.evaluation.segmentation import SegmentationAccuracy
from edge_mtl.network.checkpoint import load_checkpoint, load_tensors
from edge_mtl.network.engine import TorchEngine
from edge_mtl.runtime.pipeline import Pipeline
from edge_mtl.train import loop
from edge_mtl.train.batch import TrainingData
from edge_mtl.train.config import DataConfig, DataSource, TrainConfig
from edge_mtl.train.losses import Losses


@pytest.fixture
def bar() -> Bar:
    return Bar(disable=True)


def journal(folder: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "seconds"} for line in lines]


def test_an_interrupted_run_ends_as_one_that_was_not(
    tmp_path: Path,
    make_config: Callable[..., TrainConfig],
    bar: Bar,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = make_config(validate_every=2)
    whole = loop.train(config, tmp_path / "whole", bar)
    with monkeypatch.context() as patch:
        steps = 0

        def stop_in_the_third_epoch(self: Losses, *args: Any) -> dict[str, Tensor]:
            nonlocal steps
            steps += 1
            if steps == 6:
                raise KeyboardInterrupt
            return compute(self, *args)

        compute = Losses.__call__
        patch.setattr(Losses, "__call__", stop_in_the_third_epoch)
        with pytest.raises(KeyboardInterrupt):
            loop.train(config, tmp_path / "parts", bar)
    assert [line["epoch"] for line in journal(tmp_path / "parts" / "run")] == [1, 2]
    parts = loop.train(config, tmp_path / "parts", bar)

    for name in ("last.safetensors", "best.safetensors", "config.json"):
        assert (parts / name).read_bytes() == (whole / name).read_bytes(), name
    ours, theirs = (load_tensors(each / "state.safetensors")[0] for each in (parts, whole))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], value) for name, value in theirs.items())
    assert journal(parts) == journal(whole)
    assert not list(parts.glob(".*"))  # no temporary files


def test_what_a_run_leaves(
    tmp_path: Path, make_config: Callable[..., TrainConfig], bar: Bar
) -> None:
    config = make_config(epochs=3, validate_every=2)
    folder = loop.train(config, tmp_path, bar)
    assert folder == tmp_path / "run"
    assert msgspec.json.decode((folder / "config.json").read_bytes(), type=TrainConfig) == config
    lines = journal(folder)
    assert [(line["epoch"], line["step"]) for line in lines] == [(1, 2), (2, 4), (3, 6)]
    assert ["val" in line for line in lines] == [False, True, True]  # the last one always
    assert lines[1]["val"].keys() == {"frames", "segmentation", "detection"}
    assert lines[0]["loss"].keys() == {"segmentation", "detection", "total"}
    assert lines[0]["loss"]["total"] == pytest.approx(
        lines[0]["loss"]["segmentation"] + lines[0]["loss"]["detection"], rel=1e-5
    )
    again = loop.train(config, tmp_path, bar)  # a run that is done stays as it is
    assert journal(again) == lines
    load_checkpoint(folder / "last.safetensors", config.model)


def test_it_learns_a_handful_of_pictures_and_finds_the_car(
    tmp_path: Path,
    make_config: Callable[..., TrainConfig],
    bar: Bar,
    still: Augmentation,
    camvid: Path,
) -> None:
    config = make_config(
        augmentation=still, epochs=12, batch=1, learning_rate=4e-3, validate_every=12, ema=0.7
    )
    folder = loop.train(config, tmp_path, bar)
    losses = [line["loss"]["total"] for line in journal(folder)]
    assert losses[-1] < 0.25 * losses[0]
    sample = CamVid(camvid, "train")[0]
    network = load_checkpoint(folder / "last.safetensors")
    scene = Pipeline(config.model, TorchEngine(network, config.model))(sample.image)
    found = scene.detections["detection"]
    assert found.classes[found.class_ids[0]] == "car"
    assert sample.boxes is not None
    np.testing.assert_allclose(found.boxes[0], sample.boxes.corners[0], atol=5)
    car = sample.masks["segmentation"] == 8
    assert (scene.masks["segmentation"].labels[car] == 2).mean() > 0.7


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_last_epoch(
    tmp_path: Path,
    make_config: Callable[..., TrainConfig],
    bar: Bar,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    steps = 0
    compute = Losses.__call__

    def diverge_in_the_second_epoch(self: Losses, *args: Any) -> dict[str, Tensor]:
        nonlocal steps
        steps += 1
        found = compute(self, *args)
        return {name: loss / (0 if steps == 3 else 1) for name, loss in found.items()}

    monkeypatch.setattr(Losses, "__call__", diverge_in_the_second_epoch)
    with pytest.raises(loop.TrainingError, match="the loss is not finite") as caught:
        loop.train(make_config(), tmp_path, bar)
    third = next(iter(TrainingData(make_config()).loader(range(1, 2))))
    assert ", ".join(third.names) in str(caught.value)
    assert "\n" not in str(caught.value)
    load_checkpoint(tmp_path / "run" / "last.safetensors")
    assert [line["epoch"] for line in journal(tmp_path / "run")] == [1]


def test_a_gradient_that_is_not_finite_never_reaches_the_weights(
    tmp_path: Path,
    make_config: Callable[..., TrainConfig],
    bar: Bar,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compute = Losses.__call__

    def root_of_zero(self: Losses, *args: Any) -> dict[str, Tensor]:
        return {name: (loss - loss.detach()).sqrt() for name, loss in compute(self, *args).items()}

    monkeypatch.setattr(Losses, "__call__", root_of_zero)
    with pytest.raises(loop.TrainingError, match="the gradient is not finite"):
        loop.train(make_config(), tmp_path, bar)


def test_batches_without_any_label_are_passed_over(
    tmp_path: Path,
    make_config: Callable[..., TrainConfig],
    bar: Bar,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def nothing(self: Losses, *_: Any) -> dict[str, Tensor]:
        return {"segmentation": torch.zeros(()), "detection": torch.zeros(())}

    monkeypatch.setattr(Losses, "__call__", nothing)
    folder = loop.train(make_config(epochs=1), tmp_path, bar)
    assert journal(folder)[0]["loss"]["total"] == 0.0


def test_a_folder_of_another_configuration_is_left_as_it_is(
    tmp_path: Path, make_config: Callable[..., TrainConfig], bar: Bar
) -> None:
    folder = loop.train(make_config(epochs=1), tmp_path, bar)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(EdgeMtlError, match=r"seed = 0, found 1.*another name"):
        loop.train(make_config(epochs=1, seed=1), tmp_path, bar)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_validation_data_that_cannot_be_measured_is_refused_before_training(
    tmp_path: Path, make_config: Callable[..., TrainConfig], bar: Bar, camvid: Path
) -> None:
    config = make_config()
    alien = msgspec.structs.replace(
        config.model,
        tasks=(msgspec.structs.replace(config.model.segmentations[0], name="surface"),),
    )
    source = DataSource(data="rendered")
    data = DataConfig(
        train=(source,), val=DataSource(data=f"camvid:{camvid}", split="val"), workers=0
    )
    with pytest.raises(UsageError, match="labels nothing that spec 'tiny' has"):
        loop.train(msgspec.structs.replace(config, model=alien, data=data), tmp_path, bar)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("gpu_bf16", "cpu_bf16", "expected"),
    [
        (None, True, "bf16-mixed"),
        (None, False, "32-true"),
        (True, False, "bf16-mixed"),
        (False, True, "32-true"),
    ],
)
def test_auto_precision_follows_the_processor(
    make_config: Callable[..., TrainConfig],
    monkeypatch: pytest.MonkeyPatch,
    gpu_bf16: bool | None,
    cpu_bf16: bool,
    expected: str,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu_bf16 is not None)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: gpu_bf16)
    monkeypatch.setattr(
        torch.cpu, "get_capabilities", lambda: {"amx_bf16": cpu_bf16}, raising=False
    )
    assert loop.choose_precision(make_config(precision="auto")) == expected
    assert loop.choose_precision(make_config(precision="32-true")) == "32-true"


def test_mixed_precision_trains_and_keeps_float32_weights(
    tmp_path: Path, make_config: Callable[..., TrainConfig], bar: Bar
) -> None:
    config = make_config(precision="bf16-mixed", epochs=1)
    folder = loop.train(config, tmp_path, bar)
    weights = load_checkpoint(folder / "last.safetensors").state_dict()
    exact = weights["neck.smooth.0.0.weight"]
    assert exact.dtype == torch.float32
    assert not torch.equal(exact, exact.bfloat16().float())


def test_the_score_is_the_mean_of_miou_and_map50() -> None:
    segmentation = SegmentationAccuracy(miou=0.6, pixel_accuracy=0.9, iou={})
    detection = DetectionAccuracy(
        map50=0.2, map=0.1, precision=0.3, recall=0.3, f1=0.3, per_class={}
    )
    both = Accuracy(frames=1, tasks={"a": segmentation, "b": detection})
    assert loop.score(both) == pytest.approx(0.4)
    assert loop.score(Accuracy(frames=1, tasks={"a": segmentation})) == 0.6
    assert loop.score(Accuracy(frames=0, tasks={})) == 0.0
