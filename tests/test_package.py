"""The face of the package: quick to import, and free of what only some of it needs."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

import edge_mtl

OPTIONAL = (
    "cv2",
    "torch",
    "onnx",
    "onnxruntime",
    "openvino",
    "tensorrt",
    "lightning_fabric",
    "cryptography",
)
LIGHT_MODULES = (
    "edge_mtl",
    "edge_mtl.bundle",
    "edge_mtl.config",
    "edge_mtl.diagnosis",
    "edge_mtl.machine",
    "edge_mtl.ops",
    "edge_mtl.placement",
    "edge_mtl.reference",
    "edge_mtl.scene",
    "edge_mtl.spec",
    "edge_mtl.tasks",
    "edge_mtl.tensor_spec",
    "edge_mtl.timing",
    "edge_mtl.zoo",
    "edge_mtl.benchmark.runs",
    "edge_mtl.runtime.engines",
    "edge_mtl.runtime.palette",
    "edge_mtl.runtime.pipeline",
    "edge_mtl.runtime.sinks",
    "edge_mtl.runtime.sinks.json_lines",
    "edge_mtl.runtime.sources",
    "edge_mtl.runtime.stream",
    "edge_mtl.cli",
    "edge_mtl.cli.bench",
    "edge_mtl.cli.doctor",
    "edge_mtl.cli.run",
    "edge_mtl.cli.sign",
    "edge_mtl.cli.verify",
)


def run_python(code: str) -> Any:
    """What a fresh interpreter prints, as JSON."""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert result.returncode == 0, result.stderr.decode()
    return json.loads(result.stdout)


def test_lesson_the_runtime_imports_where_only_the_core_is_installed() -> None:
    """ultralytics#10437, #5260, PR#22010: pip's OpenCV takes the place of one with GStreamer."""
    code = f"""
import importlib, json, sys
for name in {OPTIONAL!r}:
    sys.modules[name] = None
for name in {LIGHT_MODULES!r}:
    importlib.import_module(name)
print(json.dumps([name for name in {OPTIONAL!r} if sys.modules.get(name)]))
"""
    assert run_python(code) == []


def test_importing_loads_nothing_heavy() -> None:
    code = f"""
import json, sys
import edge_mtl
first = sorted(sys.modules)
for name in edge_mtl.__all__:
    getattr(edge_mtl, name)
heavy = {(*OPTIONAL, "typer", "rich")!r}
print(json.dumps([[n for n in heavy if n in first], [n for n in heavy if n in sys.modules]]))
"""
    assert run_python(code) == [[], []]


def test_importing_the_runtime_costs_little_more_than_numpy() -> None:
    """0.24 s where NumPy takes 0.15. Processors differ by more than that, so the two are compared:
    by the time of the processor, one beside the other, in the best of five processes."""
    code = """
import json, time
start = time.process_time()
import numpy
middle = time.process_time()
import edge_mtl.runtime.stream
print(json.dumps([middle - start, time.process_time() - middle]))
"""
    numpy, ours = (
        min(seconds) for seconds in zip(*(run_python(code) for _ in range(5)), strict=True)
    )
    assert ours < 1.2 * numpy, f"NumPy takes {numpy:.3f} s and the runtime {ours:.3f} s more"


@pytest.mark.parametrize("name", edge_mtl.__all__)
def test_public_names_are_there(name: str) -> None:
    assert getattr(edge_mtl, name) is not None
    assert name in dir(edge_mtl)


def test_a_public_name_is_the_thing_itself() -> None:
    from edge_mtl.scene import Scene

    assert edge_mtl.Scene is Scene


def test_names_that_are_not_there() -> None:
    with pytest.raises(AttributeError, match="'edge_mtl' has no attribute 'Pipelin'"):
        _ = edge_mtl.Pipelin
