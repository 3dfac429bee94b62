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


def test_importing_the_runtime_loads_two_packages_and_little_of_python() -> None:
    """Counted and not timed: how long NumPy takes beside it differs twofold between processors.
    What it costs in time, `make bench-gate` compares with the start of an interpreter."""
    code = """
import json, sys
before = set(sys.modules)
import edge_mtl.runtime.stream
loaded = [name for name in set(sys.modules) - before if sys.modules[name]]
print(json.dumps(loaded))
"""
    loaded = run_python(code)
    packages = {name.split(".")[0] for name in loaded} - sys.stdlib_module_names
    assert packages <= {"edge_mtl", "numpy", "msgspec", "typing_extensions"}
    beside_numpy = sorted(name for name in loaded if not name.startswith("numpy"))
    assert len(beside_numpy) < 200, beside_numpy


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
