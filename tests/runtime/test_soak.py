"""A stream over a long time: frames never get stale, memory stays flat.

    EDGE_MTL_SOAK_S=600 python -m pytest tests/runtime/test_soak.py -s      ten minutes
    EDGE_MTL_SOAK_S=3600 python -m pytest tests/runtime/test_soak.py -s     an hour

A minute where nothing else is said. Memory may grow by a megabyte an hour; in less time by what a
heap's own housekeeping comes to.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

SOAK_S = float(os.environ.get("EDGE_MTL_SOAK_S", "60"))
SLOPE_KB_PER_H, LEAST_KB = 1024.0, 256.0
WARM_UP = 0.2

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="there is no /proc"),
]


def slope_kb_per_s(at_s: np.ndarray, resident_kb: np.ndarray) -> float:
    """The median of the slopes between samples after the warm-up (Theil, 1950; Sen, 1968): a step
    is no leak and does not count, as of one more frame that was alive while the machine was busy.
    """
    warm = np.flatnonzero(at_s >= WARM_UP * at_s[-1])[:: max(1, len(at_s) // 500)]
    earlier, later = np.triu_indices(len(warm), 1)
    rises_kb = resident_kb[warm[later]] - resident_kb[warm[earlier]]
    return float(np.median(rises_kb / (at_s[warm[later]] - at_s[warm[earlier]])))


def test_a_leak_is_seen() -> None:
    at_s = np.arange(0, 60, 0.5)
    noise_kb = np.random.default_rng(0).integers(0, 3, len(at_s)) * 4.0
    assert slope_kb_per_s(at_s, 1e5 + noise_kb + 2700.0 * (at_s > 30)) * 48 < LEAST_KB
    # A kilobyte a frame, at 24 frames a second.
    assert slope_kb_per_s(at_s, 1e5 + noise_kb + 24 * at_s) * 48 > LEAST_KB


def test_frames_stay_fresh_and_memory_flat(tiny_bundle_path: Path, tmp_path: Path) -> None:
    pytest.importorskip("cv2", reason="OpenCV, of the extra cpu, is not installed")
    pytest.importorskip("onnxruntime", reason="the extra cpu is not installed")
    script = Path(__file__).with_name("soak.py")
    lines = tmp_path / "scenes.jsonl"
    done = subprocess.run(
        [sys.executable, script, tiny_bundle_path, str(SOAK_S), lines],
        capture_output=True,
        text=True,
        timeout=SOAK_S + 60,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    ages_ms, took_ms = (np.array(found[name]) for name in ("ages_ms", "took_ms"))
    at_s, resident_kb = (np.array(found[name]) for name in ("at_s", "resident_kb"))
    frame_ms = float(np.median(took_ms))
    p50, p99 = np.percentile(ages_ms, (50, 99))
    slope = slope_kb_per_s(at_s, resident_kb)
    print(
        f"\n{len(ages_ms)} scenes in {SOAK_S:.0f} s, {found['dropped']} frames dropped; a frame "
        f"takes {frame_ms:.1f} ms, its age is {p50:.1f} ms (p50), {p99:.1f} (p99), "
        f"{ages_ms.max():.1f} (max); {resident_kb[-1] / 1024:.0f} MB, "
        f"{slope * 3600 / 1024:+.2f} MB an hour"
    )
    assert found["dropped"] > 0.3 * len(ages_ms)
    # Less than two frame times, of its own frame: a busy machine makes both longer.
    assert np.percentile(ages_ms / took_ms, 99) < 2
    # Nor does it creep up: a queue would fill.
    first, last = np.array_split(ages_ms, 5)[0], np.array_split(ages_ms, 5)[-1]
    assert np.median(last) < np.median(first) + frame_ms / 2
    warm_s = (1 - WARM_UP) * SOAK_S
    assert slope * warm_s < max(SLOPE_KB_PER_H * warm_s / 3600, LEAST_KB)
    assert sum(1 for _ in lines.open()) == found["written"] > 0.9 * len(ages_ms) - 50
