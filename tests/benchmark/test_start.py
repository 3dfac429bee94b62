from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge_mtl.benchmark import start
from edge_mtl.benchmark.start import start_processes
from edge_mtl.errors import EdgeMtlError

pytest.importorskip("cv2", reason="OpenCV, of the extra cpu, is not installed")
pytest.importorskip("onnxruntime", reason="the extra cpu is not installed")

FRAME = np.full((48, 90, 3), 99, np.uint8)


def test_processes_say_when_they_had_a_scene_and_what_they_took(tiny_bundle_path: Path) -> None:
    found = start_processes([str(tiny_bundle_path), "--engine", "onnxruntime"], FRAME, 2)
    assert len(found.first_result_s) == 2
    assert all(0.05 < each < 60 for each in found.first_result_s)
    assert 20 < found.peak_memory_mb < 1000


def test_the_memory_is_not_that_of_who_measures(tiny_bundle_path: Path) -> None:
    """`getrusage` gives a child what its parent had when it was made."""
    held = np.ones(800_000_000 // 8)
    found = start_processes([str(tiny_bundle_path), "--engine", "onnxruntime"], FRAME, 1)
    assert held.nbytes / 1e6 > 2 * found.peak_memory_mb


def test_a_process_that_fails_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(EdgeMtlError, match=r"found exit code 1 and .*missing.*run it yourself"):
        start_processes([str(tmp_path / "missing.emtl")], FRAME, 1)


def test_a_process_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start, "_PATIENCE_S", 0.2)
    monkeypatch.setattr(start, "_COMMAND", "import time; time.sleep(600)")
    with pytest.raises(EdgeMtlError, match="found exit code -9 and 'no word'"):
        start_processes([], FRAME, 1)
