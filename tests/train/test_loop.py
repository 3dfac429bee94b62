from __future__ import annotations

import itertools
import json
import shutil
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
from edge_mtl.data.class_map import ClassMap, MaskMap
from edge_mtl.errors import EdgeMtlError, UsageError
from edge_mtl.network.checkpoint import load_checkpoint, load_tensors
from edge_mtl.network.engine import TorchEngine
from edge_mtl.runtime.pipeline import Pipeline
from edge_mtl.tasks import SegmentationTask
from edge_mtl.train import loop
from edge_mtl.train.config import DataConfig, DataSource, LossConfig, TrainConfig
from edge_mtl.train.losses import Losses
from edge_mtl.train.step import TrainingError
from edge_mtl.train.training_data import TrainingData
from edge_mtl.train.weighting import WeightingConfig

TIMES = {"seconds", "waited", "images_per_second"}


@pytest.fixture
def bar() -> Bar:
    return Bar(disable=True)


def journal(folder: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key not in TIMES} for line in lines]


def test_an_interrupted_run_ends_as_one_that_was_not(
    tmp_path: Path,
    make_config: Callable[..., TrainConfig],
    bar: Bar,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = make_config(
        validate_every=2,
        accumulate=2,
        batch=1,
        weighting=WeightingConfig(method="uncertainty"),
        loss=LossConfig(auxiliary=0.4),
    )
    whole = loop.train(config, tmp_path / "whole", bar)
    with monkeypatch.context() as patch:
        steps = 0

        def stop_in_the_third_epoch(self: Losses, *args: Any) -> dict[str, Tensor]:
            nonlocal steps
            steps += 1
            if steps == 11:
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
    assert lines[0]["weights"] == {"segmentation": 1.0, "detection": 1.0}
    assert [line["skipped"] for line in lines] == [0, 0, 0]
    timed = json.loads((folder / "metrics.jsonl").read_text().splitlines()[0])
    assert timed.keys() >= TIMES
    assert timed["images_per_second"] == pytest.approx(4 / timed["seconds"], rel=0.2)
    assert 0 <= timed["waited"] <= timed["seconds"]
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
    config = make_config(batch=1, accumulate=2)
    steps = 0
    compute = Losses.__call__

    def diverge_in_the_second_epoch(self: Losses, *args: Any) -> dict[str, Tensor]:
        nonlocal steps
        steps += 1
        found = compute(self, *args)
        return {name: loss / (0 if steps == 6 else 1) for name, loss in found.items()}

    monkeypatch.setattr(Losses, "__call__", diverge_in_the_second_epoch)
    with pytest.raises(TrainingError, match="the loss is not finite") as caught:
        loop.train(config, tmp_path, bar)
    _, second = itertools.islice(TrainingData(config).loader(range(1, 2)), 2)
    assert f"on {second.names[0]};" in str(caught.value)  # the other batch of the step is not it
    assert "\n" not in str(caught.value)
    load_checkpoint(tmp_path / "run" / "last.safetensors")
    assert [line["epoch"] for line in journal(tmp_path / "run")] == [1]


def test_a_validation_that_fails_leaves_what_was_trained(
    tmp_path: Path,
    make_config: Callable[..., TrainConfig],
    bar: Bar,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*args: Any) -> None:
        raise EdgeMtlError("the disk is gone")

    monkeypatch.setattr(loop, "validate", fail)
    with pytest.raises(EdgeMtlError, match="disk is gone"):
        loop.train(make_config(epochs=1), tmp_path, bar)
    load_checkpoint(tmp_path / "run" / "last.safetensors")


def test_a_gradient_that_is_not_finite_never_reaches_the_weights(
    tmp_path: Path,
    make_config: Callable[..., TrainConfig],
    bar: Bar,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compute = Losses.__call__

    def root_of_zero(self: Losses, *args: Any) -> dict[str, Tensor]:
        found = compute(self, *args)
        return {name: 1.0 + (loss - loss.detach()).sqrt() for name, loss in found.items()}

    monkeypatch.setattr(Losses, "__call__", root_of_zero)
    with pytest.raises(TrainingError, match="the gradient is not finite"):
        loop.train(make_config(), tmp_path, bar)
    assert not (tmp_path / "run" / "last.safetensors").exists()


@pytest.mark.parametrize("damaged", ["train/2.png", "val/1.png"])
def test_what_cannot_be_read_is_named_and_counted(
    tmp_path: Path,
    make_config: Callable[..., TrainConfig],
    bar: Bar,
    camvid: Path,
    caplog: pytest.LogCaptureFixture,
    damaged: str,
) -> None:
    copy = shutil.copytree(camvid, tmp_path / "camvid")
    (copy / damaged).write_bytes(b"no picture")
    source = DataSource(data=f"camvid:{copy}")
    val = DataSource(data=f"camvid:{copy}", split="val")
    data = DataConfig(train=(source,), val=val, workers=0)
    with caplog.at_level("WARNING", "edge_mtl"):
        folder = loop.train(make_config(data=data, batch=1, epochs=2), tmp_path, bar)
    assert [damaged in message for message in caplog.messages] == [True]  # once
    in_training = damaged.startswith("train")
    assert [line["skipped"] for line in journal(folder)] == [int(in_training)] * 2
    assert journal(folder)[-1]["val"]["frames"] == 2


def test_data_sets_with_other_names_train_through_a_class_map(
    tmp_path: Path, make_config: Callable[..., TrainConfig], bar: Bar, camvid: Path
) -> None:
    config = make_config(epochs=1)
    task = SegmentationTask(name="surface", classes=("rest", "street"))
    model = msgspec.structs.replace(config.model, tasks=(task,))
    surface = MaskMap(source="segmentation", classes={"Road": "street"}, rest="rest")
    named = {"data": f"camvid:{camvid}", "classes": ClassMap(masks={"surface": surface})}
    data = DataConfig(train=(DataSource(**named),), val=DataSource(**named, split="val"), workers=0)
    folder = loop.train(make_config(epochs=1, model=model, data=data), tmp_path, bar)
    assert journal(folder)[0]["val"]["surface"]["iou"].keys() == {"rest", "street"}


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


def test_a_place_that_cannot_be_written_is_refused_before_training(
    tmp_path: Path, make_config: Callable[..., TrainConfig], bar: Bar
) -> None:
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(UsageError, match=r"a folder that can be written, found.* with --runs"):
        loop.train(make_config(), tmp_path / "runs", bar)


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
