"""Runs that are killed when it hurts most, and go on."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import torch

from edge_mtl.network.checkpoint import load_tensors
from edge_mtl.train.config import LossConfig, TrainConfig
from edge_mtl.train.weighting import WeightingConfig

# Trains again and again, each time in a child that is killed (SIGKILL) at one of the moments when
# a file is half written or not yet in its place; then once more to the end. Children are forked,
# so that torch is imported once, and before it has any thread.
PROGRAM = """
import os, signal, sys
from pathlib import Path
import msgspec, torch
from rich.progress import Progress
from edge_mtl.train import loop
from edge_mtl.train.config import TrainConfig

torch.set_num_threads(1)
config = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=TrainConfig)
runs, moments = Path(sys.argv[2]), [int(each) for each in sys.argv[3:]]
write, replace = Path.write_bytes, Path.replace

def train(folder, last_moment):
    moment = 0

    def pass_moment():
        nonlocal moment
        moment += 1
        if moment == last_moment:
            os.kill(os.getpid(), signal.SIGKILL)

    def write_in_halves(path, data):
        write(path, data[: len(data) // 2])
        pass_moment()
        return write(path, data)

    def replace_late(path, target):
        pass_moment()
        return replace(path, target)

    Path.write_bytes, Path.replace = write_in_halves, replace_late
    loop.train(config, folder, Progress(disable=True))

for moment in [*moments, 0]:
    child = os.fork()
    if not child:
        train(runs / "killed", moment)
        os._exit(0)
    killed = os.WIFSIGNALED(os.waitpid(child, 0)[1])
    state = runs / "killed" / config.name / "state.safetensors"
    print(f"killed at moment {moment}" if killed else "done", state.exists())
train(runs / "whole", 0)
"""


@pytest.mark.parametrize("kills", [3, pytest.param(24, marks=pytest.mark.slow)])
def test_a_run_that_is_killed_while_it_writes_ends_as_if_nothing_had_happened(
    tmp_path: Path, make_config: Callable[..., TrainConfig], kills: int
) -> None:
    config = make_config(
        epochs=kills,
        batch=4,
        weighting=WeightingConfig(method="uncertainty"),
        loss=LossConfig(auxiliary=0.4),
    )
    path = tmp_path / "config.json"
    path.write_bytes(msgspec.json.encode(config))
    # Two moments a file: config, perhaps best, last, metrics and state, which end an epoch.
    draw = random.Random(kills)
    moments = [str(draw.randint(1, 14)) for _ in range(kills)]
    command = [sys.executable, "-c", PROGRAM, path, tmp_path, *moments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[:-1] != []
    assert all(line.startswith("killed at moment") for line in lines[: min(3, kills)])
    assert lines[-1] == "done True"
    killed, whole = tmp_path / "killed" / "run", tmp_path / "whole" / "run"
    for name in ("best.safetensors", "last.safetensors", "config.json"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes(), name
    ours, theirs = (load_tensors(each / "state.safetensors")[0] for each in (killed, whole))
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []
    assert {each.name for each in killed.iterdir()} == {each.name for each in whole.iterdir()}
