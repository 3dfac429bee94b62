"""The build of the kernels: what it refuses, and that processors do not change the results."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CMAKE = shutil.which("cmake", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")

pytestmark = pytest.mark.skipif(CMAKE is None, reason="CMake is not installed")


def cmake(*arguments: object) -> subprocess.CompletedProcess[str]:
    assert CMAKE is not None
    command = [CMAKE, *(str(argument) for argument in arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def test_a_plain_cmake_run_prints_the_pip_command(tmp_path: Path):
    configured = cmake("-S", ROOT / "kernels", "-B", tmp_path)
    assert configured.returncode != 0
    assert "pip install -e ." in configured.stderr


def test_a_lost_symbolic_link_stops_the_build(tmp_path: Path):
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
from edge_mtl.spec import (
    ClassificationTask, DetectionTask, InputSpec, ModelSpec, PoseTask, SegmentationTask, TensorSpec)
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


@pytest.mark.slow
def test_the_baseline_build_gives_the_same_bits(tmp_path: Path):
    """Built without the loops for newer processors, every bit of every result is the same."""
    nanobind = pytest.importorskip("nanobind", reason="nanobind, of the extra dev, builds them")
    configured = cmake(
        *("-S", ROOT / "kernels", "-B", tmp_path, "-DSKBUILD=2", "-DCMAKE_BUILD_TYPE=Release"),
        *(
            "-DEDGE_MTL_MULTIVERSION=OFF",
            "-DEDGE_MTL_CUDA=OFF",
            f"-DPython_EXECUTABLE={sys.executable}",
        ),
        f"-Dnanobind_DIR={nanobind.cmake_dir()}",
    )
    assert configured.returncode == 0, configured.stderr
    built = cmake("--build", tmp_path, "--parallel", 2)
    assert built.returncode == 0, built.stderr
    [module] = tmp_path.glob("_kernels*.so")

    def results(*arguments: str) -> list[str]:
        command = [sys.executable, "-c", RESULTS, *arguments]
        ended = subprocess.run(command, capture_output=True, text=True)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout.split()

    [baseline_level, baseline], [level, digest] = results(str(module)), results()
    assert baseline_level == "baseline"
    assert level != "None"
    assert digest == baseline
