"""Runs that start from a trained network: pruned, learning of 8 bits, or taught by another one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import torch
from rich.progress import Progress as Bar

from edge_mtl.compression.pruning import prune
from edge_mtl.data.camvid import CamVid
from edge_mtl.data.datasets import open_dataset
from edge_mtl.errors import UsageError
from edge_mtl.network.checkpoint import load_checkpoint, load_tensors, save_checkpoint
from edge_mtl.train.config import DataSource, TrainConfig
from edge_mtl.train.distillation.config import DistillationConfig
from edge_mtl.train.loop import train

MakeConfig = Callable[..., TrainConfig]


@pytest.fixture(scope="module")
def trained(make_config: MakeConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = train(make_config(epochs=2), tmp_path_factory.mktemp("trained"), Bar(disable=True))
    return folder / "last.safetensors"


def losses_of(folder: Path) -> list[float]:
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line)["loss"]["total"] for line in lines]


def test_a_pruned_network_is_trained_on_as_narrow_as_it_is(
    trained: Path, make_config: MakeConfig, camvid: Path, tmp_path: Path
) -> None:
    whole = load_checkpoint(trained)
    pruned = prune(whole, 0.5, CamVid(camvid, "val"))
    narrow = tmp_path / "narrow.safetensors"
    save_checkpoint(narrow, pruned.spec, pruned.state_dict(), pruned=True)
    folder = train(make_config(init=str(narrow)), tmp_path, Bar(disable=True))
    found = load_checkpoint(folder / "best.safetensors")
    sizes = [sum(each.numel() for each in n.parameters()) for n in (found, pruned, whole)]
    assert sizes[0] == sizes[1] < 0.7 * sizes[2]
    assert losses_of(folder)[-1] < losses_of(folder)[0]


def test_imagenet_weights_for_a_pruned_network_are_refused(
    trained: Path, make_config: MakeConfig, camvid: Path, tmp_path: Path
) -> None:
    pruned = prune(load_checkpoint(trained), 0.5, CamVid(camvid, "val"))
    narrow = tmp_path / "narrow.safetensors"
    save_checkpoint(narrow, pruned.spec, pruned.state_dict(), pruned=True)
    config = make_config(init=str(narrow), imagenet=True)
    with pytest.raises(UsageError, match=r"of a pruned network.* set imagenet = false"):
        train(config, tmp_path, Bar(disable=True))
    assert not (tmp_path / "run").exists()


def test_a_run_that_learns_of_8_bits_keeps_a_float_network(
    trained: Path, make_config: MakeConfig, tmp_path: Path
) -> None:
    config = make_config(init=str(trained), quantization_aware="cpu", learning_rate=1e-4, epochs=1)
    folder = train(config, tmp_path, Bar(disable=True))
    ranges = load_tensors(folder / "state.safetensors")[0]["quantization.ranges"]
    assert (ranges[:, 1] > ranges[:, 0]).all()
    before, after = load_tensors(trained)[0], load_tensors(folder / "last.safetensors")[0]
    assert before.keys() == after.keys()
    moved = {name for name, value in before.items() if not torch.equal(value, after[name])}
    assert any(name.endswith("0.weight") for name in moved)
    assert not any(name.endswith("running_mean") for name in moved)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "fine-tunes a trained network, found no init"),
        ({"init": "some", "precision": "bf16-mixed"}, "takes float32, found precision"),
    ],
)
def test_8_bits_are_learned_from_a_trained_network_in_float32(
    make_config: MakeConfig, changes: dict[str, str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        make_config(quantization_aware="cpu", **changes)


def test_a_teacher_trains_on_pictures_without_labels(
    trained: Path, make_config: MakeConfig, camvid: Path, tmp_path: Path
) -> None:
    config = make_config(distillation=DistillationConfig(teacher=str(trained)), epochs=3)
    source = DataSource(data=f"images:{camvid / 'train'}")
    config = msgspec.structs.replace(
        config, data=msgspec.structs.replace(config.data, train=(source,))
    )
    assert open_dataset(source.data, "train").vocabulary.masks == {}
    found = losses_of(train(config, tmp_path, Bar(disable=True)))
    assert found[-1] < found[0]
