"""What systemd hears, on a socket as it has one."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from edge_mtl.runtime import systemd
from edge_mtl.runtime.systemd import Notifier

if not hasattr(socket, "AF_UNIX"):
    pytest.skip("there are no Unix sockets", allow_module_level=True)


@pytest.fixture(params=["path", "abstract"])
def heard(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Callable]]:
    """The NOTIFY_SOCKET of a listener, and what it has heard since it was last asked."""
    name = str(tmp_path / "notify")
    if request.param == "abstract":
        name = f"@edge-mtl-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(name.replace("@", "\0", 1))
        listener.setblocking(False)

        def words() -> list[str]:
            found = []
            with suppress(BlockingIOError):
                while True:
                    found.append(listener.recv(100).decode())
            return found

        yield name, words


def test_the_first_frame_is_ready_and_later_ones_keep_the_watchdog(
    heard: tuple[str, Callable], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, words = heard
    now = [100.0]
    monkeypatch.setattr(systemd.time, "monotonic", lambda: now[0])
    notifier = Notifier({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "2000000"})
    assert words() == []
    for _ in range(100):  # 4 s of frames, for a watchdog of 2 s
        notifier.alive()
        now[0] += 0.04
    said = words()
    assert said[0] == "READY=1"
    assert set(said[1:]) == {"WATCHDOG=1"}
    assert 4 <= len(said) - 1 <= 8
    notifier.stopping()
    assert words() == ["STOPPING=1"]


def test_a_camera_that_is_connected_again_does_not_wake_the_watchdog(
    heard: tuple[str, Callable], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, words = heard
    now = [100.0]
    monkeypatch.setattr(systemd.time, "monotonic", lambda: now[0])
    notifier = Notifier({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "2000000"})
    notifier.waiting()
    assert words() == [], "it is not ready before its first frame"
    notifier.alive()
    for _ in range(8):
        now[0] += 0.5
        notifier.waiting()
    said = words()
    assert said[0] == "READY=1"
    assert set(said[1:]) == {"WATCHDOG=1"}
    assert 4 <= len(said) - 1 <= 8


def test_without_a_watchdog_only_ready_is_said(heard: tuple[str, Callable]) -> None:
    address, words = heard
    other = {"WATCHDOG_USEC": "1", "WATCHDOG_PID": str(os.getpid() + 1)}
    for environment in ({}, other):
        notifier = Notifier({"NOTIFY_SOCKET": address, **environment})
        for _ in range(3):
            notifier.alive()
        assert words() == ["READY=1"]


def test_who_is_no_service_says_nothing_and_nobody_is_hurt_where_none_listens(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Notifier({}).alive()
    notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")})
    notifier.alive()
    notifier.stopping()
    assert caplog.text.count("systemd does not hear that READY=1") == 1


def test_a_run_says_ready_and_stopping(
    heard: tuple[str, Callable], tiny_bundle_path: Path, tiny_video: Path
) -> None:
    pytest.importorskip("cv2", reason="OpenCV, of the extra cpu, is not installed")
    pytest.importorskip("onnxruntime", reason="the extra cpu is not installed")
    address, words = heard
    command = "from edge_mtl.cli import main; main()"
    arguments = ["run", tiny_bundle_path, "--source", tiny_video, "--engine", "onnxruntime"]
    subprocess.run(
        [sys.executable, "-c", command, *map(str, arguments)],
        env={**os.environ, "NOTIFY_SOCKET": address},
        check=True,
        capture_output=True,
        timeout=60,
    )
    assert words() == ["READY=1", "STOPPING=1"]
