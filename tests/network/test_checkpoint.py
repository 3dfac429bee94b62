from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import safetensors.torch
import torch

from edge_mtl.network.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from edge_mtl.network.network import Network
from edge_mtl.spec import InputSpec, ModelSpec
from edge_mtl.tasks import DetectionTask, SegmentationTask

SPEC = ModelSpec(
    name="tiny",
    input=InputSpec(width=64, height=32),
    backbone="edgenet-n",
    neck_channels=8,
    tasks=(
        SegmentationTask(name="surface", classes=("road", "grass")),
        DetectionTask(classes=("car",), strides=(8,)),
    ),
)


@pytest.fixture(scope="module")
def network() -> Network:
    torch.manual_seed(1)
    return Network(SPEC).eval()


@pytest.fixture
def path(tmp_path: Path, network: Network) -> Path:
    path = tmp_path / "tiny.safetensors"
    save_checkpoint(path, SPEC, network.state_dict())
    return path


def test_round_trip(path: Path, network: Network) -> None:
    loaded = load_checkpoint(path, SPEC)
    assert loaded.spec == SPEC
    assert not loaded.training
    for name, value in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name
    assert list(path.parent.iterdir()) == [path]  # nothing temporary stays
    other = path.with_name("other")
    other.touch()
    assert path.stat().st_mode == other.stat().st_mode  # readable as any file here


def test_channels_last_weights_are_saved_as_their_values(tmp_path: Path, network: Network) -> None:
    laid_out = {
        name: value.contiguous(memory_format=torch.channels_last) if value.ndim == 4 else value
        for name, value in network.state_dict().items()
    }
    save_checkpoint(tmp_path / "a.safetensors", SPEC, laid_out)
    loaded = load_checkpoint(tmp_path / "a.safetensors").state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in laid_out.items())


def test_half_precision_is_for_storage_only(tmp_path: Path, network: Network, path: Path) -> None:
    halves = {
        name: value.half() if value.is_floating_point() else value
        for name, value in network.state_dict().items()
    }
    small = tmp_path / "half.safetensors"
    save_checkpoint(small, SPEC, halves)
    assert small.stat().st_size < 0.6 * path.stat().st_size
    loaded = load_checkpoint(small)
    for name, value in loaded.named_parameters():
        assert value.dtype == torch.float32
        assert torch.equal(value, halves[name].float())


def test_another_spec_is_told_by_its_first_difference(path: Path) -> None:
    wider = msgspec.structs.replace(SPEC, input=InputSpec(width=96, height=32))
    with pytest.raises(CheckpointError, match=r"expected input\.width = 96, found 64"):
        load_checkpoint(path, wider)
    renamed = msgspec.structs.replace(
        SPEC, tasks=(SegmentationTask(name="surface", classes=("road", "snow")), SPEC.tasks[1])
    )
    expected = r'expected tasks\[0\]\.classes\[1\] = "snow", found "grass"'
    with pytest.raises(CheckpointError, match=expected):
        load_checkpoint(path, renamed)


def test_there_is_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"none\.safetensors: no such checkpoint"):
        load_checkpoint(tmp_path / "none.safetensors")
    with pytest.raises(CheckpointError, match="damaged or other file"):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize("kept", [0, 5, 300, 0.5, -1])
def test_a_truncated_checkpoint(path: Path, kept: float) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data)) if isinstance(kept, float) else kept])
    with pytest.raises(CheckpointError, match="damaged or other file") as caught:
        load_checkpoint(path)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 1


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (None, "found weights without one"),
        ("{", "not one that this edge-mtl reads"),
        ('{"name": "tiny"}', "not one that this edge-mtl reads"),
        (
            msgspec.json.encode(msgspec.structs.replace(SPEC, backbone="edgenet-x")).decode(),
            "unknown backbone 'edgenet-x'",
        ),
    ],
)
def test_specs_that_cannot_be_read(
    tmp_path: Path, network: Network, spec: str | None, message: str
) -> None:
    path = tmp_path / "a.safetensors"
    metadata = {} if spec is None else {"spec": spec}
    safetensors.torch.save_file(network.state_dict(), path, metadata)
    with pytest.raises(CheckpointError, match=message) as caught:
        load_checkpoint(path)
    assert "a.safetensors" in str(caught.value)


def test_weights_that_are_not_those_of_the_spec(tmp_path: Path, network: Network) -> None:
    weights = dict(network.state_dict())
    del weights["heads.0.levels.0.scores.bias"]
    save_checkpoint(tmp_path / "less.safetensors", SPEC, weights)
    with pytest.raises(CheckpointError, match=r"do not fit its spec.*heads\.0\.levels\.0\.scores"):
        load_checkpoint(tmp_path / "less.safetensors")
    wide = msgspec.structs.replace(SPEC, neck_channels=16)
    save_checkpoint(tmp_path / "wide.safetensors", wide, network.state_dict())
    with pytest.raises(CheckpointError, match="do not fit its spec"):
        load_checkpoint(tmp_path / "wide.safetensors")


def test_a_file_that_cannot_be_written(tmp_path: Path, network: Network) -> None:
    (tmp_path / "folder.safetensors").mkdir()
    (tmp_path / "file").touch()
    for name in ("none/a.safetensors", "file/a.safetensors", "folder.safetensors"):
        with pytest.raises(CheckpointError, match=f"{name}: expected a file that can be written"):
            save_checkpoint(tmp_path / name, SPEC, network.state_dict())
    assert {each.name for each in tmp_path.iterdir()} == {"folder.safetensors", "file"}


def test_a_failed_save_keeps_what_was_there(path: Path, network: Network) -> None:
    before = path.read_bytes()
    same = torch.zeros(3)
    with pytest.raises(RuntimeError, match="share memory"):
        save_checkpoint(path, SPEC, {"a": same, "b": same})
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]
