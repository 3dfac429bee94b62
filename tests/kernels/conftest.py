from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

KERNELS = Path(__file__).parents[2] / "kernels"
FLAGS = "-x c++ -std=c++20 -O1 -ffp-contract=off -shared -fPIC -pthread -Wall -Wextra -Werror"


@pytest.fixture(scope="session")
def on_host(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], ctypes.CDLL]:
    """A GPU's kernel, compiled for the host (kernels/host_shim.h)."""
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("no g++ to compile the kernel with")

    def compiled(source: str) -> ctypes.CDLL:
        library = tmp_path_factory.mktemp("shim") / "kernel.so"
        files = [str(KERNELS / source), "-o", str(library)]
        subprocess.run([compiler, *FLAGS.split(), "-Wno-unknown-pragmas", *files], check=True)
        return ctypes.CDLL(str(library))

    return compiled
