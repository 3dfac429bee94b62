"""The build of the kernels: what it refuses, and that processors do not change the results."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from platform import machine

import pytest

ROOT = Path(__file__).parents[2]
Run = Callable[..., subprocess.CompletedProcess[str]]


def test_a_plain_cmake_run_prints_the_pip_command(tmp_path: Path, cmake: Run):
    configured = cmake("-S", ROOT / "kernels", "-B", tmp_path)
    assert configured.returncode != 0
    assert "pip install -e ." in configured.stderr


def test_a_lost_symbolic_link_stops_the_build(tmp_path: Path, cmake: Run):
    shutil.copytree(ROOT / "kernels", tmp_path / "kernels")
    (tmp_path / "edge_mtl").mkdir()
    (tmp_path / "edge_mtl" / "export").write_text("../export")
    configured = cmake("-S", tmp_path / "kernels", "-B", tmp_path / "build", "-DSKBUILD=2")
    assert configured.returncode != 0
    assert "ln -sfn ../export edge_mtl/export" in configured.stderr


RESULTS = """
import importlib.util, sys
import numpy as np
if len(sys.argv) > 1:
    spec = importlib.util.spec_from_file_location("edge_mtl._kernels", sys.argv[1])
    module = sys.modules["edge_mtl._kernels"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
import hashlib
from edge_mtl import ops
from edge_mtl.placement import Placement
from edge_mtl.spec import InputSpec, ModelSpec
from edge_mtl.tasks import ClassificationTask, DetectionTask, PoseTask, SegmentationTask
from edge_mtl.tensor_spec import TensorSpec
spec = ModelSpec(name="m", input=InputSpec(width=320, height=192), backbone="edgenet", tasks=(
    SegmentationTask(name="mask", classes=tuple("abcdefg")),
    SegmentationTask(name="fine", classes=tuple("ab"), stride=1, binary=True),
    DetectionTask(classes=tuple("abc")), PoseTask(classes=("b",)),
    ClassificationTask(name="time", classes=tuple("abcde")),
    ClassificationTask(name="present", classes=tuple("abc"), multi_label=True)))
rng = np.random.default_rng(0)
digest = hashlib.sha256()
placement = Placement.fit((417, 303), spec.input)
for dtype in ("float32", "float16", "uint8", "int8"):
    tensor = TensorSpec("image", (1, 3, 192, 320), dtype, 0.02, 100)
    frame = rng.integers(0, 256, (303, 417, 3), dtype=np.uint8)
    out = np.empty(tensor.shape, dtype)
    ops.Preprocessor(spec.input, tensor)([frame], [placement], out)
    digest.update(out.tobytes())
    tensors = [TensorSpec(t.name, t.shape, dtype, 0.06, 3) for t in spec.output_tensors]
    raw = {t.name: rng.normal(3, 40, t.shape).clip(0, 127).astype(dtype) for t in tensors}
    [scene] = ops.FusedHead(spec, tensors)(raw, [placement], "frame")
    found, poses = scene.detections["detection"], scene.poses["pose"]
    assert len(poses)
    for array in (found.boxes, found.scores, found.class_ids, poses.rows, poses.points,
                  poses.scores, *(mask.labels for mask in scene.masks.values()),
                  *(each.scores for each in scene.classifications.values())):
        digest.update(array.tobytes())
print(ops.compiled(), digest.hexdigest())
"""


RELEASE = "-DCMAKE_BUILD_TYPE=Release"
ONCE = "-DEDGE_MTL_MULTIVERSION=OFF"
SCALAR = "-DCMAKE_CXX_FLAGS=-O1 -fno-tree-vectorize -fno-tree-slp-vectorize"


@pytest.mark.slow
def test_the_baseline_build_gives_the_same_bits(
    tmp_path: Path, build_kernels: Callable[..., Path], tests_with: Run
):
    """Built without the loops for newer processors, every bit of every result is the same; and
    without vectors it is too, and all that the twins are held against."""

    def results(*arguments: str) -> list[str]:
        command = [sys.executable, "-c", RESULTS, *arguments]
        ended = subprocess.run(command, capture_output=True, text=True)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout.split()

    level, digest = results()
    assert level != "None"
    baseline = build_kernels(tmp_path / "baseline", ONCE, RELEASE)
    assert results(str(baseline)) == ["baseline", digest]
    if machine() == "x86_64":
        older = build_kernels(
            tmp_path / "older", ONCE, RELEASE, "-DCMAKE_CXX_FLAGS=-march=x86-64-v3"
        )
        assert results(str(older)) == ["baseline", digest]
    scalar = build_kernels(tmp_path / "scalar", ONCE, SCALAR)
    assert results(str(scalar)) == ["baseline", digest]
    ended = tests_with(scalar, "tests/kernels/test_twins.py", "tests/kernels/test_fuzz.py")
    assert ended.returncode == 0, ended.stdout


@pytest.mark.slow
@pytest.mark.skipif(machine() != "x86_64", reason="only x86-64 has levels")
@pytest.mark.parametrize("level", ["x86_64_v3", "x86_64_v4"])
def test_a_newer_level_lends_no_function_to_the_others(tmp_path: Path, level: str):
    """The linker takes one of functions that are alike in several files: if that were one of a
    newer processor's file, older ones would fail in what has nothing to do with it."""
    flags = "-std=c++17 -O3 -DEDGE_MTL_MULTIVERSION -Wno-psabi -c -o loops.o"
    source = ROOT / "kernels" / f"segment_{level}.cpp"
    subprocess.run(["g++", *flags.split(), str(source)], check=True, cwd=tmp_path)
    listing = ["nm", "--defined-only", "--extern-only", "--demangle", "loops.o"]
    listed = subprocess.check_output(listing, cwd=tmp_path, text=True)
    functions = [line for line in listed.splitlines() if " W " in line or " T " in line]
    assert functions
    assert [line for line in functions if f"edge_mtl::{level}::" not in line] == []


@pytest.mark.slow
def test_an_arm_processor_gives_the_same_bits(
    tmp_path: Path, compile_stress: Callable[[Path, str, str], Path]
):
    emulator = shutil.which("qemu-aarch64") or shutil.which("qemu-aarch64-static")
    compilers = [shutil.which(name) for name in ("g++", "aarch64-linux-gnu-g++")]
    if emulator is None or None in compilers:
        pytest.skip("needs g++, aarch64-linux-gnu-g++ and qemu-aarch64 (Debian: qemu-user)")
    digests = []
    for start, compiler, flags in (
        ([], compilers[0], "-O3 -DEDGE_MTL_MULTIVERSION" if machine() == "x86_64" else "-O3"),
        ([emulator], compilers[1], "-O3 -static"),
    ):
        program = compile_stress(tmp_path, str(compiler), flags)
        ended = subprocess.run([*start, str(program)], capture_output=True, text=True, check=True)
        digests.append(ended.stdout)
    assert digests[0] == digests[1] != ""
