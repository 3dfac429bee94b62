"""What a runtime without torch costs: time to import, time to the first scene, resident memory.

Each round is a new interpreter in which torch cannot be imported.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from edge_mtl import zoo

_START = """
import json, sys, time
sys.modules["torch"] = None
start = time.perf_counter()
"""
_END = """
seconds = time.perf_counter() - start
status = open("/proc/self/status").read()
resident_mb = int(status.split("VmRSS:")[1].split()[0]) / 1024
print(json.dumps({"seconds": seconds, "resident_mb": resident_mb}))
"""
_IMPORT = "import edge_mtl"
_FIRST_SCENE = """
import numpy as np
from edge_mtl import Pipeline
pipe = Pipeline.open("driving-s", engine="{engine}")
frame = np.random.default_rng(0).integers(0, 256, (720, 1280, 3), np.uint8)
for _ in range({frames}):
    pipe(frame)
"""


def measured(body: str) -> dict[str, Any]:
    """What a new interpreter says of `body`: its seconds and the memory it holds afterwards."""
    script = _START + body + _END
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=True, text=True
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("name", ["import", "onnxruntime", "openvino"])
def test_footprint(benchmark: BenchmarkFixture, name: str) -> None:
    if name != "import" and "driving-s" not in zoo.shipped(".emtl"):
        pytest.skip("driving-s.emtl is not in this tree")
    body = _IMPORT if name == "import" else _FIRST_SCENE.format(engine=name, frames=1)
    rounds = [measured(body) for _ in range(5)]
    benchmark.extra_info["own_seconds"] = min(each["seconds"] for each in rounds)
    benchmark.extra_info["resident_mb"] = max(each["resident_mb"] for each in rounds)
    print(f"\n{name}: {benchmark.extra_info}")
    benchmark.pedantic(measured, (body,), rounds=3, iterations=1)
