"""The kernels, built once more in another way than they are installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CMAKE = shutil.which("cmake", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")

CMake = Callable[..., subprocess.CompletedProcess[str]]
BuildKernels = Callable[..., Path]


@pytest.fixture(scope="session")
def cmake() -> CMake:
    """Runs CMake and captures what it says."""
    if CMAKE is None:
        pytest.skip("CMake is not installed")

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [CMAKE, *(str(argument) for argument in arguments)]
        return subprocess.run(command, capture_output=True, text=True)

    return run


@pytest.fixture(scope="session")
def build_kernels(cmake: CMake) -> BuildKernels:
    """Builds the compiled module in a folder, with flags for CMake, and gives its path."""
    nanobind = pytest.importorskip("nanobind", reason="nanobind, of the extra dev, builds them")

    def build(folder: Path, *options: str) -> Path:
        configured = cmake(
            *("-S", ROOT / "kernels", "-B", folder, "-DSKBUILD=2", "-DEDGE_MTL_CUDA=OFF"),
            *(f"-Dnanobind_DIR={nanobind.cmake_dir()}", f"-DPython_EXECUTABLE={sys.executable}"),
            *options,
        )
        assert configured.returncode == 0, configured.stderr
        built = cmake("--build", folder, "--parallel", 2)
        assert built.returncode == 0, built.stderr
        [module] = folder.glob("_kernels*.so")
        return module

    return build


@pytest.fixture(scope="session")
def tests_with() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs tests in a process of its own, which finds another compiled module in its place."""
    program = """
import importlib.util, sys, pytest
spec = importlib.util.spec_from_file_location("edge_mtl._kernels", sys.argv[1])
module = sys.modules["edge_mtl._kernels"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
sys.exit(pytest.main([*sys.argv[2:], "-q", "-s", "-p", "no:cacheprovider"]))
"""

    def run(module: Path, *tests: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", program, str(module), *tests],
            cwd=ROOT,
            env=os.environ | environment,
            capture_output=True,
            text=True,
        )

    return run


@pytest.fixture(scope="session")
def compile_stress() -> Callable[[Path, str, str], Path]:
    """Compiles threads_stress.cpp, with the kernels, into a folder; gives the program's path."""
    kernels = ROOT / "kernels"
    others = "bindings", "head_on_host", "preprocess_on_host"
    sources = [path for path in kernels.glob("*.cpp") if path.stem not in others]

    def compile_it(folder: Path, compiler: str, flags: str) -> Path:
        # The flags of kernels/CMakeLists.txt that decide about results.
        words = (
            f"-std=c++17 -ffp-contract=off -fno-math-errno -fno-trapping-math -Wno-psabi {flags}"
        )
        command = [compiler, *words.split(), "-pthread", f"-I{kernels}", "-o", "stress"]
        program = ROOT / "tests" / "kernels" / "threads_stress.cpp"
        subprocess.run([*command, str(program), *map(str, sources)], check=True, cwd=folder)
        return folder / "stress"

    return compile_it
