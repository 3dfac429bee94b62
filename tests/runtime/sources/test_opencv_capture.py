"""FFmpeg's options on their way through the environment."""

from __future__ import annotations

import os
import threading

import pytest

pytest.importorskip("cv2", reason="OpenCV, of the extra cpu, is not installed")

from edge_mtl.runtime.sources.opencv_capture import _FfmpegOptions

VARIABLE = "OPENCV_FFMPEG_CAPTURE_OPTIONS"


def test_streams_with_the_same_options_open_side_by_side_and_others_in_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    options = _FfmpegOptions()
    both = threading.Barrier(2)
    seen: list[str | None] = []

    def open_side_by_side() -> None:
        with options.set_to("a;1"):
            both.wait(5)
            seen.append(os.environ.get(VARIABLE))

    def open_in_turn() -> None:
        with options.set_to("b;2"):
            seen.append(os.environ.get(VARIABLE))

    first = threading.Thread(target=open_side_by_side)
    first.start()
    while VARIABLE not in os.environ:
        pass
    other = threading.Thread(target=open_in_turn)
    other.start()
    other.join(0.05)
    assert seen == []
    second = threading.Thread(target=open_side_by_side)
    second.start()
    for thread in (first, second, other):
        thread.join(5)
    assert seen == ["a;1", "a;1", "b;2"]
    assert VARIABLE not in os.environ
