"""The kernels for CPUs and for GPUs, watched by sanitizers while they work."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TESTS = Path("tests") / "kernels"
ADDRESS = "-fsanitize=address,undefined -fno-sanitize-recover=all -g1"
THREAD = "-fsanitize=thread -g1 -Wno-tsan"  # of fences, which are never alone here
FOUND = 66
"""How a process ends in which a sanitizer has found something."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="sanitizers are preloaded as on Linux"),
]


def compiler() -> str:
    found = shutil.which("g++")
    if found is None:
        pytest.skip("no g++ to compile the kernels with")
    return found


def watched_by(sanitizer: str) -> dict[str, str]:
    """What a Python needs in its environment to load a library that was compiled with one."""
    libraries = [
        subprocess.run(
            [compiler(), f"-print-file-name={name}.so"], capture_output=True, text=True, check=True
        ).stdout.strip()
        for name in (f"lib{sanitizer}", "libstdc++")
    ]
    if not Path(libraries[0]).is_file():
        pytest.skip(f"g++ has no lib{sanitizer}")
    return {
        "LD_PRELOAD": " ".join(libraries),
        # Python leaves what it has never freed.
        "ASAN_OPTIONS": f"detect_leaks=0:allocator_may_return_null=1:exitcode={FOUND}",
        "TSAN_OPTIONS": f"halt_on_error=1:exitcode={FOUND}",
    }


def in_one_place() -> list[str]:
    """A command before another: ThreadSanitizer wants memory where it expects it."""
    command = ["setarch", "-R"]
    works = shutil.which("setarch") and subprocess.run([*command, "true"]).returncode == 0
    return command if works else []


def assert_passed(ended: subprocess.CompletedProcess[str]) -> None:
    report = f"{ended.stdout[-3000:]}\n{ended.stderr[-6000:]}"
    assert ended.returncode == 0, report
    assert "skipped" not in ended.stdout, report


def test_no_argument_makes_a_kernel_leave_its_arrays(
    tmp_path: Path,
    build_kernels: Callable[..., Path],
    tests_with: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    """The bindings are fuzzed for EDGE_MTL_FUZZ_SECONDS, five minutes if that is not set."""
    seconds = os.environ.get("EDGE_MTL_FUZZ_SECONDS", "300")
    module = build_kernels(tmp_path, f"-DCMAKE_CXX_FLAGS=-O1 {ADDRESS}")
    tests = [f"{TESTS}/test_{name}.py" for name in ("fuzz", "bindings", "argument_checks", "twins")]
    ended = tests_with(module, *tests, EDGE_MTL_FUZZ_SECONDS=seconds, **watched_by("asan"))
    print(ended.stdout)
    assert_passed(ended)


def test_threads_share_nothing_that_they_write(
    tmp_path: Path, compile_stress: Callable[[Path, str, str], Path]
) -> None:
    """Pools, and kernels in them, under ThreadSanitizer."""
    watched_by("tsan")  # or skip
    program = compile_stress(tmp_path, compiler(), f"-O1 {THREAD}")
    ended = subprocess.run(
        [*in_one_place(), str(program)],
        env=os.environ | {"TSAN_OPTIONS": f"halt_on_error=1:exitcode={FOUND}"},
        capture_output=True,
        text=True,
    )
    assert_passed(ended)


@pytest.mark.parametrize(
    ("sanitizer", "flags"), [("tsan", THREAD), ("asan", ADDRESS)], ids=["thread", "address"]
)
def test_the_gpus_kernels_on_the_host(sanitizer: str, flags: str) -> None:
    tests = [f"{TESTS}/test_gpu_{name}.py" for name in ("head", "preprocess")]
    ended = subprocess.run(
        [
            *in_one_place(),
            sys.executable,
            "-m",
            "pytest",
            *tests,
            "-q",
            "-s",
            "-p",
            "no:cacheprovider",
        ],
        cwd=ROOT,
        env=os.environ | watched_by(sanitizer) | {"EDGE_MTL_SHIM_FLAGS": flags},
        capture_output=True,
        text=True,
    )
    assert_passed(ended)
