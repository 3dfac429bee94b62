"""How many instructions each kernel takes, as callgrind counts them.

The kernels are built as for the package, dispatch included, and run on one thread. Valgrind shows
them a processor without AVX-512: what runs is x86-64-v3, on whatever machine has that.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec

from edge_mtl.errors import EdgeMtlError

_PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
_TOTAL = re.compile(r"^desc: Trigger: --dump-after=run_counted$.*?^totals: (\d+)$", re.M | re.S)


class Counts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """cases: the instructions of each, by name. level: the instruction set that was counted."""

    compiler: str
    level: str
    cases: dict[str, int]


def missing() -> str | None:
    """Why nothing can be counted here; None where it can."""
    for tool, package in (("valgrind", "valgrind"), ("cmake", "cmake"), ("c++", "g++")):
        if shutil.which(tool, path=_PATH) is None:
            return f"no {tool} here (Debian: apt-get install {package})"
    return None


def build(root: Path, folder: Path, *options: str) -> Path:
    """Build the kernels of a source tree, and what calls them, in `folder`; give the program.

    Raises:
        EdgeMtlError: they cannot be built.
    """
    ninja = ("-G", "Ninja") if shutil.which("ninja", path=_PATH) else ()
    _run(
        *("cmake", *ninja, "-S", Path(__file__).parent, "-B", folder, f"-DEDGE_MTL_ROOT={root}"),
        *("-DCMAKE_BUILD_TYPE=Release", "-DSKBUILD=2", "-DEDGE_MTL_CUDA=OFF"),
        *(f"-Dnanobind_DIR={_nanobind()}", f"-DPython_EXECUTABLE={sys.executable}"),
        *options,
    )
    threads = len(os.sched_getaffinity(0))
    _run("cmake", "--build", folder, "--target", "counted_kernels", "--parallel", threads)
    return folder / "counted_kernels"


def count(program: Path) -> Counts:
    """Count what a program that `build` made runs.

    Raises:
        EdgeMtlError: it does not run under valgrind.
    """
    found = program.with_name("callgrind.out")
    found.unlink(missing_ok=True)
    level, *names = _run(
        *("valgrind", "--tool=callgrind", "--toggle-collect=run_counted"),
        *("--dump-after=run_counted", "--combine-dumps=yes", f"--callgrind-out-file={found}"),
        program,
    ).splitlines()
    totals = [int(total) for total in _TOTAL.findall(found.read_text())]
    compiler = program.with_name("compiler").read_text()
    return Counts(compiler, level, dict(zip(names, totals, strict=True)))


def _nanobind() -> str:
    """Where its CMake files are: the kernels' build asks for it."""
    return _run(sys.executable, "-m", "nanobind", "--cmake_dir").strip()


def _run(*command: object) -> str:
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, env=os.environ | {"PATH": _PATH})
    if done.returncode == 0:
        return done.stdout
    lines = (done.stderr or done.stdout).strip().splitlines()
    told = next((line for line in lines if "error" in line.lower()), lines[-1] if lines else "")
    raise EdgeMtlError(f"{' '.join(words[:3])} ended with {done.returncode}: {told.strip()}")
