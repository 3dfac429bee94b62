"""The window, on a screen that nobody sees."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

pytest.importorskip("cv2", reason="OpenCV, of the extra cpu, is not installed")

import cv2

# What a stream does: the sink is made in one thread, and belongs to another from then on.
SHOW = """
import sys, time
import numpy as np
from edge_mtl.runtime.draw import Annotator
from edge_mtl.runtime.sinks import StreamEnded
from edge_mtl.runtime.sinks.behind import Behind
from edge_mtl.runtime.sinks.window import WindowSink
from edge_mtl.runtime.sources import Frame
from edge_mtl.scene import Scene

sink = Behind("--show", WindowSink("edge-mtl test", Annotator()), depth=1, waits=False)
frame = Frame(np.full((120, 160, 3), 90, np.uint8), 0, 0)
deadline = time.monotonic() + 20
try:
    while time.monotonic() < deadline:
        sink.write(Scene((160, 120), {}, {}), frame)
        time.sleep(0.02)
except StreamEnded:
    print("ended", flush=True)
sink.close()
print("closed", flush=True)
"""


def test_it_shows_frames_until_q_is_pressed() -> None:
    for program in ("xvfb-run", "xdotool"):
        if shutil.which(program) is None:
            pytest.skip(f"there is no {program}")
    if "GUI:                           NONE" in cv2.getBuildInformation():
        pytest.skip("this OpenCV has no windows")
    press = "until xdotool search --sync --name 'edge-mtl test' key q; do sleep 0.1; done"
    script = f"timeout 20 sh -c \"{press}\" & exec {sys.executable} -c '{SHOW}'"
    done = subprocess.run(
        ["xvfb-run", "-a", "sh", "-c", script], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    said = done.stdout.split()
    # The key was pressed in the window, which is there from the first frame on.
    assert said == ["ended", "closed"], (said, done.stderr)
