"""A file that plays like a camera."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from edge_mtl.errors import EdgeMtlError
from edge_mtl.runtime.sources import open_source


def test_its_frames_come_at_the_rate(tiny_video: Path) -> None:
    pytest.importorskip("cv2")
    source = open_source(str(tiny_video), rate=50)
    stamps_ns, indices = [], []
    while (frame := source.read()) is not None:
        stamps_ns.append(frame.captured_ns)
        indices.append(frame.index)
    assert indices == sorted(set(indices))
    assert indices[-1] == 29
    # On a loaded machine they come late, never early.
    assert stamps_ns[-1] - stamps_ns[0] >= 0.99e9 * (indices[-1] - indices[0]) / 50
    assert source.health.dropped == 30 - len(indices)
    assert source.health.state == "ended"
    source.close()


def test_what_nobody_takes_is_dropped() -> None:
    source = open_source("rendered:frames=20,width=64,height=64", rate=100)
    first = source.read()
    assert first is not None
    assert first.index == 0
    time.sleep(0.2)
    late = source.read()
    assert late is not None
    assert late.index > 1
    assert source.health.dropped >= late.index - 1
    source.close()
    assert source.read() is None


def test_the_clock_starts_with_the_first_read() -> None:
    source = open_source("rendered:frames=20,width=64,height=64", rate=1000)
    time.sleep(0.1)
    first = source.read()
    assert first is not None
    assert first.index == 0
    source.close()


def test_it_stops_between_two_frames() -> None:
    source = open_source("rendered:width=64,height=64", rate=0.1)
    assert source.read() is not None
    start = time.monotonic()
    source.stop()
    assert source.read() is None
    source.close()
    assert time.monotonic() - start < 1


def test_closing_what_was_never_read_closes_the_file(tiny_video: Path) -> None:
    open_source(str(tiny_video), rate=10).close()


def test_an_error_of_the_file_is_passed_on(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(b"no image")
    source = open_source(str(tmp_path), rate=10)
    with pytest.raises(EdgeMtlError, match="none can be read"):
        source.read()
    source.close()
