"""What nvcc and ptxas make of the GPU's kernels, without a GPU."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

KERNELS = Path(__file__).parents[2] / "kernels"
NVCC = shutil.which("nvcc") or shutil.which("nvcc", path="/usr/local/cuda/bin")

pytestmark = pytest.mark.skipif(NVCC is None, reason="nvcc is not installed")

CAPABILITIES = [
    pytest.param(each, marks=() if each == "87" else pytest.mark.slow)
    for each in ("75", "80", "86", "87", "89", "90", "110", "120")
]


@pytest.mark.parametrize("capability", CAPABILITIES)
@pytest.mark.parametrize("kernel", ["fused_head", "preprocess"])
def test_no_register_spills(kernel: str, capability: str, tmp_path: Path) -> None:
    assert NVCC is not None
    known = subprocess.run([NVCC, "--list-gpu-code"], capture_output=True, text=True, check=True)
    if f"sm_{capability}" not in known.stdout.split():
        pytest.skip(f"this nvcc does not know sm_{capability}")
    flags = str(KERNELS / "nvcc.flags")
    command = [NVCC, "--cubin", "--options-file", flags, "--ptxas-options=-v"]
    files = [str(KERNELS / f"{kernel}.cu"), "-o", str(tmp_path / "kernel.cubin")]
    built = subprocess.run(
        [*command, f"-arch=sm_{capability}", *files], capture_output=True, text=True
    )
    assert built.returncode == 0, built.stderr
    spills = re.findall(r"(\d+) bytes spill stores, (\d+) bytes spill loads", built.stderr)
    assert spills == [("0", "0")]
    [registers] = re.findall(r"Used (\d+) registers", built.stderr)
    # So that two blocks of 256 threads fit into the 65536 registers of a multiprocessor.
    assert int(registers) <= 128
    [shared] = re.findall(r"(\d+) bytes smem", built.stderr)
    assert int(shared) <= 48 * 1024  # what every GPU gives without being asked
    print(f"sm_{capability} {kernel}: {registers} registers, no spills, {shared} bytes shared")
