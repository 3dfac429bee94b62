from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import torch

from edge_mtl.network.checkpoint import CheckpointError, save_checkpoint, save_tensors
from edge_mtl.network.network import Network
from edge_mtl.train.average import WeightAverage
from edge_mtl.train.config import DataConfig, DataSource, TrainConfig
from edge_mtl.train.optimizer import make_optimizer
from edge_mtl.train.state import Progress, load_state, save_state

Run = tuple[Network, torch.optim.Optimizer, WeightAverage]


def start(config: TrainConfig) -> Run:
    network = Network(config.model)
    return network, make_optimizer(network, config), WeightAverage(network, config.ema)


@pytest.fixture
def saved(tmp_path: Path, make_config: Callable[..., TrainConfig]) -> tuple[Path, Run]:
    """The state of a run after one step."""
    config = make_config()
    network, optimizer, average = start(config)
    outputs = network(torch.randn(2, 3, 64, 64))
    outputs["segmentation"].square().mean().backward()
    optimizer.step()
    average.update(network, 0)
    path = tmp_path / "state.safetensors"
    progress = Progress(epoch=3, step=17, best=0.25)
    save_state(path, config, progress, network, optimizer, average)
    return path, (network, optimizer, average)


def test_everything_comes_back(
    saved: tuple[Path, Run], make_config: Callable[..., TrainConfig]
) -> None:
    path, (network, optimizer, average) = saved
    restored = start(make_config())
    assert load_state(path, make_config(), *restored) == Progress(epoch=3, step=17, best=0.25)
    for name, value in network.state_dict().items():
        assert torch.equal(restored[0].state_dict()[name], value), name
        assert torch.equal(restored[2].weights[name], average.weights[name]), name
    before, after = optimizer.state_dict()["state"], restored[1].state_dict()["state"]
    # The detection head had no loss, so it has no moments yet.
    assert after.keys() == before.keys()
    assert len(before) < len(list(network.parameters()))
    for index, values in before.items():
        assert all(torch.equal(after[index][key], value) for key, value in values.items())


def test_data_may_move_and_workers_may_change(
    saved: tuple[Path, Run], make_config: Callable[..., TrainConfig]
) -> None:
    elsewhere = DataConfig(
        train=(DataSource(data="camvid:elsewhere"),),
        val=DataSource(data="camvid:elsewhere", split="val"),
        val_limit=1,
        workers=3,
    )
    moved = make_config(data=elsewhere)
    assert load_state(saved[0], moved, *start(moved)).epoch == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"learning_rate": 0.5}, r"learning_rate = 0\.002, found 0\.5"),
        ({"epochs": 9}, "epochs = 4, found 9"),
        ({"crop": (64, 96)}, r"crop\[1\] = 64, found 96"),
        (
            {
                "data": DataConfig(
                    train=(DataSource(data="rendered"),),
                    val=DataSource(data="camvid:x", split="val"),
                )
            },
            r'data\.train\[0\]\.data = "camvid", found "rendered"',
        ),
    ],
)
def test_another_configuration_is_refused(
    saved: tuple[Path, Run],
    make_config: Callable[..., TrainConfig],
    changes: dict[str, object],
    message: str,
) -> None:
    other = make_config(**changes)
    with pytest.raises(CheckpointError, match=message) as caught:
        load_state(saved[0], other, *start(other))
    assert "another name" in str(caught.value)


def test_other_and_damaged_files_are_refused(
    saved: tuple[Path, Run], make_config: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    path, (network, _, _) = saved
    config = make_config()
    checkpoint = tmp_path / "best.safetensors"
    save_checkpoint(checkpoint, config.model, network.state_dict())
    with pytest.raises(CheckpointError, match="expected the state of a training run"):
        load_state(checkpoint, config, *start(config))
    metadata = {
        "config": msgspec.json.encode(config).decode(),
        "progress": msgspec.json.encode(Progress()).decode(),
    }
    save_tensors(tmp_path / "empty.safetensors", {"network.a": torch.zeros(1)}, metadata)
    with pytest.raises(CheckpointError, match="do not fit this network"):
        load_state(tmp_path / "empty.safetensors", config, *start(config))
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(CheckpointError, match="damaged"):
        load_state(path, config, *start(config))
