"""The unit as systemd reads it, and its command line run as systemd runs it."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SYSTEMD = Path(__file__).parents[2] / "deploy" / "systemd"
UNIT = (SYSTEMD / "edge-mtl.service").read_text(encoding="utf-8")
MAIN = "from edge_mtl.cli import main; main()"


def settings(text: str) -> list[tuple[str, str]]:
    """The KEY=VALUE lines of a unit or an environment file, comments and sections left out."""
    return re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE)


def expanded(line: str, variables: dict[str, str]) -> list[str]:
    """The words of an ExecStart=: ${X} is one word or a part of one, $X is split at spaces."""
    words = []
    for word in shlex.split(line):
        if re.fullmatch(r"\$\w+", word):
            words += variables.get(word[1:], "").split()
        else:
            words.append(re.sub(r"\$\{(\w+)\}", lambda found: variables[found[1]], word))
    return words


START = dict(settings(UNIT))["ExecStart"]
EXAMPLE = dict(settings((SYSTEMD / "edge-mtl.env").read_text(encoding="utf-8")))


def test_the_command_line_of_the_example_is_understood(parse_command: Callable[..., Any]) -> None:
    program, *words = expanded(START, EXAMPLE)
    assert Path(program).name == "edge-mtl"
    name, options = parse_command(words)
    assert name == "run"
    assert (options["source"], options["web"]) == ([EXAMPLE["SOURCE"]], EXAMPLE["WEB"])
    assert options["jsonl"].startswith(f"/var/lib/{dict(settings(UNIT))['StateDirectory']}/")
    assert (options["segment_mb"], options["segments"]) == (100, 20)


def test_the_service_is_ready_with_its_first_scene_and_ends_well_when_it_is_stopped(
    tiny_bundle_path: Path, tmp_path: Path
) -> None:
    pytest.importorskip("cv2", reason="OpenCV, of the extra cpu, is not installed")
    pytest.importorskip("onnxruntime", reason="the extra cpu is not installed")
    pytest.importorskip("uvicorn", reason="the extra web is not installed")
    if not hasattr(socket, "AF_UNIX"):
        pytest.skip("there are no Unix sockets")
    state = "/var/lib/edge-mtl"
    options = f"{EXAMPLE['OPTIONS'].replace(state, str(tmp_path))} --rate 20 --engine onnxruntime"
    here = {"MODEL": str(tiny_bundle_path), "SOURCE": "rendered", "WEB": "127.0.0.1:0"}
    _, *words = expanded(START, {**EXAMPLE, **here, "OPTIONS": options})
    environment = dict(
        pair.split("=", 1)
        for key, line in settings(UNIT)
        if key == "Environment"
        for pair in line.split()
        if not pair.split("=", 1)[1].startswith("/")
    )
    assert environment == {"EDGE_MTL_LOG_FORMAT": "json"}
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(60)
        environment["NOTIFY_SOCKET"] = str(tmp_path / "notify")
        environment["WATCHDOG_USEC"] = "200000"
        process = subprocess.Popen(
            [sys.executable, "-c", MAIN, *words],
            env={**os.environ, **environment},
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert [listener.recv(100) for _ in range(2)] == [b"READY=1", b"WATCHDOG=1"]
            process.send_signal(signal.SIGTERM)
            _, log = process.communicate(timeout=30)
        finally:
            process.kill()
        while (heard := listener.recv(100)) == b"WATCHDOG=1":
            pass
    assert heard == b"STOPPING=1"
    assert process.returncode == 0
    assert all(line.startswith("{") for line in log.splitlines()), log
    assert (tmp_path / "scenes-000000.jsonl").stat().st_size > 0


def test_what_the_page_tells_of_the_unit_is_in_it() -> None:
    unit = dict(settings(UNIT))
    assert (unit["Type"], unit["Restart"]) == ("notify", "on-failure")
    assert unit["RestartPreventExitStatus"] == "2"
    allowed = [value for key, value in settings(UNIT) if key == "DeviceAllow"]
    assert "char-video4linux rw" in allowed
    jetson = dict(settings((SYSTEMD / "jetson.conf").read_text(encoding="utf-8")))
    assert (jetson["DevicePolicy"], jetson["DeviceAllow"]) == ("auto", "")


def test_systemd_finds_nothing_wrong(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("there is no systemd-analyze (Debian: apt-get install systemd)")
    # It wants a program that is there.
    program = START.split()[0]
    runnable = UNIT.replace(program, sys.executable)
    (tmp_path / "edge-mtl.service").write_text(runnable)
    folder = tmp_path / "edge-mtl.service.d"
    folder.mkdir()
    shutil.copy(SYSTEMD / "jetson.conf", folder)
    verify = [analyze, "verify", "--man=no", str(tmp_path / "edge-mtl.service")]
    done = subprocess.run(verify, capture_output=True, text=True, timeout=60)
    ours = [line for line in done.stderr.splitlines() if str(tmp_path) in line]
    assert (done.returncode, ours) == (0, []), done.stderr
    (tmp_path / "edge-mtl.service").write_text(runnable.replace("NoNewPrivileges", "NewPrivileges"))
    done = subprocess.run(verify, capture_output=True, text=True, timeout=60)
    assert "'NewPrivileges'" in done.stderr
