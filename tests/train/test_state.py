from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import torch

from edge_mtl.network.checkpoint import CheckpointError, save_checkpoint, save_tensors
from edge_mtl.train.config import DataConfig, DataSource, LossConfig, TrainConfig
from edge_mtl.train.learner import Learner, make_learner
from edge_mtl.train.state import Progress, load_state, save_state, tensors_from_learner
from edge_mtl.train.weighting import WeightingConfig

Saved = tuple[Path, Learner]


def start(config: TrainConfig) -> Learner:
    torch.manual_seed(0)
    return make_learner(config, torch.device("cpu"), fresh=True)


def advance(learner: Learner) -> None:
    """One step along the gradient of the segmentation and, weakly, of the scores."""
    learner.optimizer.zero_grad()
    features = learner.network.features(torch.randn(2, 3, 64, 64))
    raw = learner.network.outputs(features)
    segmentation = raw["segmentation"].square().mean()
    if learner.auxiliary:
        coarse = learner.auxiliary(features.backbone)["segmentation"]
        segmentation = segmentation + coarse.square().mean()
    losses = {"segmentation": segmentation, "detection": raw["detection_scores_8"].mean()}
    learner.weighting.backward(losses, torch.Tensor.backward)
    learner.optimizer.step()
    learner.average.update(learner.network, 0)


@pytest.fixture
def saved(tmp_path: Path, make_config: Callable[..., TrainConfig]) -> Saved:
    """The state of a run after one step."""
    learner = start(make_config())
    advance(learner)
    path = tmp_path / "state.safetensors"
    save_state(path, make_config(), Progress(epoch=3, step=17, best=0.25), learner)
    return path, learner


def assert_same(left: Learner, right: Learner) -> None:
    ours, theirs = tensors_from_learner(left), tensors_from_learner(right)
    assert ours.keys() == theirs.keys()
    assert [name for name, value in ours.items() if not torch.equal(theirs[name], value)] == []


@pytest.mark.parametrize(
    ("optimizer", "method"),
    [("adamw", "uncertainty"), ("adam", "gradnorm"), ("sgd", "dwa"), ("adamw", "pcgrad")],
)
def test_everything_comes_back_and_goes_on_the_same(
    tmp_path: Path, make_config: Callable[..., TrainConfig], optimizer: str, method: str
) -> None:
    config = make_config(
        optimizer=optimizer,
        weighting=WeightingConfig(method=method),
        loss=LossConfig(auxiliary=0.4),
    )
    learner = start(config)
    advance(learner)
    learner.weighting.end_epoch({"segmentation": 1.0, "detection": 2.0})
    path = tmp_path / "state.safetensors"
    progress = Progress(epoch=3, step=17, best=0.25)
    save_state(path, config, progress, learner)
    restored = make_learner(config, torch.device("cpu"), fresh=False)
    assert load_state(path, config, restored) == progress
    assert_same(restored, learner)
    parts = {name.partition(".")[0] for name in tensors_from_learner(learner)}
    assert parts == {"network", "auxiliary", "average", "weighting", "optimizer"}
    for each in (learner, restored):
        torch.manual_seed(1)
        advance(each)
    assert_same(restored, learner)


def test_data_may_move_and_workers_may_change(
    saved: Saved, make_config: Callable[..., TrainConfig]
) -> None:
    elsewhere = DataConfig(
        train=(DataSource(data="camvid:elsewhere"),),
        val=DataSource(data="camvid:elsewhere", split="val"),
        val_limit=1,
        workers=3,
    )
    moved = make_config(data=elsewhere)
    assert load_state(saved[0], moved, start(moved)).epoch == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"learning_rate": 0.5}, r"learning_rate = 0\.002, found 0\.5"),
        ({"epochs": 9}, "epochs = 4, found 9"),
        ({"crop": (64, 96)}, r"crop\[1\] = 64, found 96"),
        ({"weighting": WeightingConfig(method="dwa")}, 'method = "fixed", found "dwa"'),
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
    saved: Saved,
    make_config: Callable[..., TrainConfig],
    changes: dict[str, object],
    message: str,
) -> None:
    other = make_config(**changes)
    with pytest.raises(CheckpointError, match=message) as caught:
        load_state(saved[0], other, start(other))
    assert "another name" in str(caught.value)


def test_other_and_damaged_files_are_refused(
    saved: Saved, make_config: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    path, learner = saved
    config = make_config()
    checkpoint = tmp_path / "best.safetensors"
    save_checkpoint(checkpoint, config.model, learner.network.state_dict())
    with pytest.raises(CheckpointError, match="expected the state of a training run"):
        load_state(checkpoint, config, start(config))
    metadata = {
        "config": msgspec.json.encode(config).decode(),
        "progress": msgspec.json.encode(Progress()).decode(),
    }
    save_tensors(tmp_path / "empty.safetensors", {"network.a": torch.zeros(1)}, metadata)
    with pytest.raises(CheckpointError, match="do not fit this network"):
        load_state(tmp_path / "empty.safetensors", config, start(config))
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(CheckpointError, match="damaged"):
        load_state(path, config, start(config))
