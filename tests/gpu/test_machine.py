"""What edge-mtl finds out about the GPUs, against what the driver's own tool says."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from edge_mtl.machine import gpus

pytestmark = pytest.mark.skipif(
    shutil.which("nvidia-smi") is None, reason="no nvidia-smi, so no NVIDIA GPU, on this machine"
)


def test_the_gpus_are_those_of_nvidia_smi(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    query = ["nvidia-smi", "--query-gpu=name,compute_cap", "--format=csv,noheader"]
    result = subprocess.run(query, capture_output=True, text=True, check=True)
    found = (f"{gpu.name}, {'.'.join(map(str, gpu.compute_capability))}" for gpu in gpus())
    assert sorted(found) == sorted(result.stdout.splitlines())
