"""Several processes, started as the documentation says, against one."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from rich.progress import Progress as Bar
from torch import Tensor

from edge_mtl.errors import UsageError
from edge_mtl.network.checkpoint import load_tensors
from edge_mtl.spec import ModelSpec
from edge_mtl.tasks import SegmentationTask
from edge_mtl.train import loop, processes
from edge_mtl.train.config import LossConfig, TrainConfig
from edge_mtl.train.losses import Losses
from edge_mtl.train.weighting import WeightingConfig

BIN = Path(sys.executable).parent
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]

# A batch norm that is trained sees the parts of a batch apart: these networks train without.
NO_NORMS = """
from edge_mtl.cli import main
from edge_mtl.train import loop
loop.set_modes = lambda network, config: network.eval()
main()
"""


def launch(program: list[str | Path], config: TrainConfig, runs: Path) -> tuple[str, str]:
    """Run `train` in two processes; what they print."""
    path = runs / "config.toml"
    runs.mkdir(exist_ok=True)
    path.write_text(toml_from(msgspec.to_builtins(config)))
    command = [*TORCHRUN, *program, "train", path, "--runs", runs]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def toml_from(values: dict[str, Any]) -> str:
    return "\n".join(f"{key} = {value}" for key, value in _said(values))


def _said(values: dict[str, Any]) -> list[tuple[str, str]]:
    """The keys with a value, which TOML writes as JSON does but for tables."""
    return [(key, _inline(value)) for key, value in values.items() if value is not None]


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {each}" for key, each in _said(value)) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_inline, value)) + "]"
    return json.dumps(value)


def journal(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def assert_close(ours: Path, theirs: Path) -> None:
    for left, right in zip(journal(ours), journal(theirs), strict=True):
        assert left["loss"] == pytest.approx(right["loss"], rel=2e-4)
        assert left.get("val", {}).keys() == right.get("val", {}).keys()
        assert (left["step"], left["learning_rate"]) == (right["step"], right["learning_rate"])
    weights, expected = (load_tensors(each / "last.safetensors")[0] for each in (ours, theirs))
    for name, value in expected.items():
        # Not element by element: Adam makes a full step of a gradient that is all rounding.
        difference = float((weights[name] - value).double().norm())
        assert difference <= 2e-3 * float(value.double().norm()) + 1e-6, name


def test_the_documented_command_trains_in_two_processes_as_in_one(
    tmp_path: Path, make_config: Callable[..., TrainConfig], spec: ModelSpec
) -> None:
    road = SegmentationTask(name="segmentation", classes=("Sky", "Road"), binary=True, stride=1)
    model = msgspec.structs.replace(spec, backbone="fusionnet", tasks=(road,))
    config = make_config(model=model, batch=3, epochs=2, validate_every=2)
    out, err = launch(["--no-python", BIN / "edge-mtl"], config, tmp_path / "two")
    assert out.count("best.safetensors, last.safetensors") == 1  # the first process alone speaks
    assert err.count("epoch 2/2") == 1
    one = loop.train(config, tmp_path / "one", Bar(disable=True))
    two = tmp_path / "two" / "run"
    assert_close(two, one)
    assert {path.name for path in two.iterdir()} == {path.name for path in one.iterdir()}


@pytest.mark.slow
@pytest.mark.parametrize("method", ["uncertainty", "gradnorm", "pcgrad"])
def test_a_run_that_one_process_began_goes_on_in_two(
    tmp_path: Path,
    make_config: Callable[..., TrainConfig],
    monkeypatch: pytest.MonkeyPatch,
    method: str,
) -> None:
    """A batch of three: the second process has one sample of it."""
    program = tmp_path / "no_norms.py"
    program.write_text(NO_NORMS)
    config = make_config(
        batch=3,
        epochs=3,
        validate_every=3,
        weighting=WeightingConfig(method=method),
        loss=LossConfig(auxiliary=0.4),
    )
    monkeypatch.setattr(loop, "set_modes", lambda network, config: network.eval())
    one = loop.train(config, tmp_path / "one", Bar(disable=True))
    with monkeypatch.context() as patch:
        patch.setattr(Losses, "__call__", interrupted_in_call(2))
        with pytest.raises(KeyboardInterrupt):
            loop.train(config, tmp_path / "two", Bar(disable=True))
    two = tmp_path / "two" / "run"
    assert [line["epoch"] for line in journal(two)] == [1]
    _, err = launch([program], config, tmp_path / "two")
    assert "epoch 1/3" not in err
    assert_close(two, one)


def interrupted_in_call(last: int) -> Callable[..., dict[str, Tensor]]:
    compute, calls = Losses.__call__, itertools.count(1)

    def call(self: Losses, *args: Any) -> dict[str, Tensor]:
        if next(calls) == last:
            raise KeyboardInterrupt
        return compute(self, *args)

    return call


def test_more_processes_than_gpus_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "test")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    monkeypatch.setenv("WORLD_SIZE", "4")
    with pytest.raises(UsageError, match="each of the 2 processes of this node, found 1"):
        processes.start_fabric("32-true")
