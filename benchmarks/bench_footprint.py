"""What a runtime without torch costs: time to import, time to the first scene, resident memory.

    pytest benchmarks/bench_footprint.py
    EDGE_MTL_DATA=DIR pytest benchmarks/bench_footprint.py     on a real drive under DIR

Each round is a new interpreter. `import torch` fails in those that we start ourselves, and what
`edge-mtl run` has loaded is asked of the kernel. The user's cache folder is an empty one of our
own: the first start, which measures the engines and lets OpenVINO compile, is timed apart.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from drive_clip import write_clip
from pytest_benchmark.fixture import BenchmarkFixture
from report import Ratio, Report

ROUNDS = 5
FRAMES = 150
IMPORT_S, FIRST_RESULT_S, RESIDENT_MB = 0.3, 1.5, 250.0  # what they may cost

_START = """
import json, sys, time
sys.modules["torch"] = None
start = time.perf_counter()
"""
_END = """
print(json.dumps(time.perf_counter() - start))
"""
_IMPORT = "import edge_mtl"
_FIRST_SCENE = """
import numpy as np
from edge_mtl import Pipeline
pipe = Pipeline.open("driving-s", engine="{engine}")
frame = np.random.default_rng(0).integers(0, 256, (720, 1280, 3), np.uint8)
pipe(frame)
"""


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clip") / "drive.mp4", FRAMES)


@pytest.mark.parametrize("name", ["import", "onnxruntime", "openvino"])
@pytest.mark.benchmark(group="footprint")
def test_from_the_interpreter_to(
    benchmark: BenchmarkFixture, report: Report, empty_cache: None, name: str
) -> None:
    """To `import edge_mtl`, without the interpreter's own start; to a scene, with the import."""
    body = _IMPORT if name == "import" else _FIRST_SCENE.format(engine=name)
    if name != "import":
        pytest.importorskip(name, reason=f"{name}, of the extra cpu, is missing")

    def seconds() -> float:
        script = [sys.executable, "-c", _START + body + _END]
        done = subprocess.run(script, capture_output=True, check=True, text=True)
        found: float = json.loads(done.stdout.splitlines()[-1])
        return found

    first, *rest = _rounds(benchmark, seconds)
    case = "import edge_mtl" if name == "import" else f"a first scene in {name}"
    report.note(f"{case}: {first:.2f} s the first time")
    _add(report, benchmark, case, min(rest), IMPORT_S if name == "import" else None)


@pytest.mark.parametrize("lanes", [1, 2])
@pytest.mark.parametrize("engine", ["onnxruntime", "openvino", "auto"])
@pytest.mark.benchmark(group="footprint")
def test_the_first_result_of_a_run(
    benchmark: BenchmarkFixture,
    report: Report,
    clip: Path,
    empty_cache: None,
    tmp_path: Path,
    engine: str,
    lanes: int,
) -> None:
    """From the command to its first line of results, and the most memory that all frames took, as
    it reports it; with one lane, as cameras have it, and with two, as files."""
    about = f"run --engine {engine} --lanes {lanes}"

    def run() -> dict[str, float]:
        command = Path(sys.executable).with_name("edge-mtl")
        report_path = tmp_path / "report.json"
        options = f"{about} driving-s --source {clip} --jsonl - --json {report_path}".split()
        start = time.perf_counter()
        process = subprocess.Popen(
            [command, *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert process.stdout is not None
        first = process.stdout.readline()
        seconds = time.perf_counter() - start
        assert json.loads(first)["frame"] == 0
        maps = Path(f"/proc/{process.pid}/maps").read_text()
        assert "libtorch" not in maps
        lines = 1 + sum(1 for _ in process.stdout)
        assert (process.wait(), lines) == (0, FRAMES)
        memory_mb = json.loads(report_path.read_bytes())["peak_memory_mb"]
        return {"seconds": seconds, "resident_mb": memory_mb}

    first, *rest = _rounds(benchmark, run)
    report.note(
        f"{about}, the first time: {first['seconds']:.2f} s to its first result, "
        f"{first['resident_mb']:.0f} MB at most"
    )
    seconds = min(each["seconds"] for each in rest)
    _add(report, benchmark, f"{about}, first result", seconds, FIRST_RESULT_S)
    resident_mb = max(each["resident_mb"] for each in rest)
    benchmark.extra_info["resident_mb"] = resident_mb
    report.note(f"{about}: {resident_mb:.0f} MB resident at most, wanted {RESIDENT_MB:.0f}")


def _rounds(benchmark: BenchmarkFixture, measured: Callable[[], Any]) -> list[Any]:
    """What each round measured, the first one included."""
    found: list[Any] = []
    benchmark.pedantic(lambda: found.append(measured()), rounds=ROUNDS + 1, iterations=1)
    return found if len(found) > 1 else found * 2


def _add(
    report: Report,
    benchmark: BenchmarkFixture,
    case: str,
    seconds: float,
    allowed_s: float | None,
) -> None:
    benchmark.extra_info["own_seconds"] = seconds
    if allowed_s is None:
        report.note(f"{case}: {seconds:.2f} s from the second time on")
        return
    ratio = Ratio(case, seconds * 1e3, "allowed", allowed_s * 1e3, 1.0)
    report.ratios.append(ratio)
    benchmark.extra_info.update(ratio.to_json())
