"""The log as JSON lines: of the real command, its errors, its libraries and its mistakes."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from edge_mtl import cli
from edge_mtl.cli import logs

MAIN = "from edge_mtl.cli import main; main()"


def lines_of(text: str) -> list[dict[str, Any]]:
    """Every line as JSON; that nothing else is there is the point."""
    return [json.loads(line) for line in text.splitlines()]


def edge_mtl(*arguments: str | Path, **settings: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", MAIN, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, **settings)


@pytest.fixture
def restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The log of this process is afterwards what it was."""
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    root = logging.getLogger()
    handlers, level = list(root.handlers), logging.getLogger("edge_mtl").level
    yield
    root.handlers = handlers
    logging.getLogger("edge_mtl").setLevel(level)
    logging.captureWarnings(False)


FRAMES_OF_A_CONNECTION = 8


@pytest.fixture
def camera() -> Iterator[str]:
    """A camera of MJPEG over HTTP that dies after some frames, and is back at the next try."""
    cv2 = pytest.importorskip("cv2", reason="OpenCV, of the extra cpu, is not installed")
    import numpy as np

    picture = cv2.imencode(".jpg", np.full((64, 96, 3), 90, np.uint8))[1].tobytes()
    ended = threading.Event()

    class Camera(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            for _ in range(FRAMES_OF_A_CONNECTION):
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}"
                self.wfile.write(head.encode() + b"\r\n\r\n" + picture + b"\r\n")
                if ended.wait(0.05):
                    return

        def log_message(self, *_: object) -> None:
            """What it was asked is of no interest."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Camera) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://me:hidden@127.0.0.1:{server.server_port}/camera"
        ended.set()
        server.shutdown()


def test_a_camera_that_dies_and_comes_back_is_told_in_json_lines_alone(
    tiny_bundle_path: Path, camera: str, tmp_path: Path
) -> None:
    pytest.importorskip("onnxruntime", reason="the extra cpu is not installed")
    run = ("run", tiny_bundle_path, "-s", camera, "--engine", "onnxruntime")
    save = ("--jsonl", tmp_path / "o.jsonl", "--frames", str(FRAMES_OF_A_CONNECTION + 2))
    began = datetime.now(timezone.utc)
    done = edge_mtl(*run, *save, env={**os.environ, "EDGE_MTL_LOG_FORMAT": "json"})
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert "hidden" not in done.stderr
    told = lines_of(done.stderr)
    times = [datetime.fromisoformat(line["time"]) for line in told]
    assert times == sorted(times)
    assert timedelta(0) < times[0] - began < timedelta(minutes=1)
    assert {line["level"] for line in told} <= {"info", "warning"}
    name = camera.replace("me:hidden", "***")
    changes = [line for line in told if "state" in line]
    assert {line["camera"] for line in changes} == {name}
    assert {line["logger"] for line in changes} == {"edge_mtl.runtime.sources.live"}
    lost, back = [line for line in changes if line["state"] in ("lost", "live")][:2]
    assert (lost["state"], back["state"]) == ("lost", "live")
    assert lost["reason"] in lost["message"]
    assert back["away_s"] > 0
    assert told[-1]["report"]["frames"] == FRAMES_OF_A_CONNECTION + 2
    assert (
        told[-1]["report"]["sinks"][f"--jsonl {save[1]}"]["written"] == told[-1]["report"]["frames"]
    )


def test_the_progress_bar_stays_out_of_it(tiny_bundle_path: Path, tiny_video: Path) -> None:
    pty = pytest.importorskip("pty", reason="this system has no terminals")
    pytest.importorskip("onnxruntime", reason="the extra cpu is not installed")
    arguments = ["run", tiny_bundle_path, "-s", tiny_video, "--engine", "onnxruntime"]
    seen = {}
    for log_format in ("text", "json"):
        ours, theirs = pty.openpty()
        command = [sys.executable, "-c", MAIN, *map(str, arguments), "--log-format", log_format]
        with subprocess.Popen(command, stderr=theirs, stdout=subprocess.DEVNULL) as process:
            os.close(theirs)
            parts = []
            while part := _read(ours):
                parts.append(part)
            os.close(ours)
        assert process.returncode == 0
        seen[log_format] = b"".join(parts).decode()
    assert "\x1b[" in seen["text"]
    assert [line["report"]["frames"] for line in lines_of(seen["json"])] == [30]


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # as Linux says that nobody writes to it any more
        return b""


def test_errors_and_wrong_usage_are_json_too() -> None:
    runner = CliRunner()
    arguments = ["--log-format", "json", "run", "none.emtl"]
    missing = runner.invoke(cli.app, [*arguments, "-s", "/no/such/video.mp4"])
    [line] = lines_of(missing.stderr)
    assert (missing.exit_code, line["level"], line["logger"]) == (1, "error", "edge_mtl")
    assert "/no/such/video.mp4: no such file" in line["message"]
    for wrong in ([*arguments, "--nonsense"], ["--log-format", "json", "rnu"]):
        refused = runner.invoke(cli.app, wrong)
        [line] = lines_of(refused.stderr)
        assert (refused.exit_code, line["level"]) == (2, "error")
        assert wrong[-1] in line["message"]


def test_without_being_asked_for_errors_are_text() -> None:
    refused = CliRunner().invoke(cli.app, ["run", "none.emtl", "-s", "/no/such/video.mp4"])
    assert refused.stderr.startswith("edge-mtl: error: /no/such/video.mp4: no such file")


def test_a_mistake_of_ours_is_a_line_with_its_traceback() -> None:
    code = (
        "import threading, warnings\nfrom edge_mtl.cli import logs\nlogs.begin(True, False)\n"
        "warnings.warn('old')\n"
        "thread = threading.Thread(target=lambda: 1 / 0)\nthread.start()\nthread.join()\n"
        "[][1]"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    old, divided, index = lines_of(done.stderr)
    assert (done.returncode, old["level"], old["logger"]) == (1, "warning", "py.warnings")
    assert divided["message"] == "ZeroDivisionError: division by zero"
    assert index["exception"].startswith("Traceback")
    assert index["exception"].endswith("IndexError: list index out of range")
    assert {divided["level"], index["level"]} == {"critical"}


@pytest.mark.usefixtures("restored")
def test_what_a_call_gives_besides_its_message(capsys: pytest.CaptureFixture[str]) -> None:
    logs.begin(as_json=True, debug=False)
    assert logs.as_json()
    log = logging.getLogger("edge_mtl.runtime")
    log.info("%s\nof %d", "two\nlines", 2, extra={"path": Path("a"), "sink": "--save a"})
    log.debug("only for --debug")
    logging.getLogger("uvicorn.error").error("of a library")
    logging.getLogger("uvicorn.error").info("of no interest")
    ours, theirs = lines_of(capsys.readouterr().err)
    assert ours.keys() == {"time", "level", "logger", "message", "path", "sink"}
    assert (ours["message"], ours["path"]) == ("two\nlines\nof 2", "a")
    assert (theirs["logger"], theirs["message"]) == ("uvicorn.error", "of a library")


@pytest.mark.usefixtures("restored")
def test_text_has_the_traceback_below_and_no_field(capsys: pytest.CaptureFixture[str]) -> None:
    logs.begin(as_json=False, debug=True)
    assert not logs.as_json()
    try:
        raise ValueError("why")
    except ValueError:
        logging.getLogger("edge_mtl").exception("it failed", extra={"sink": "--save a"})
    logging.getLogger("edge_mtl").debug("for --debug")
    first, *trace, last = capsys.readouterr().err.splitlines()
    assert (first, last) == ("edge-mtl: error: it failed", "edge-mtl: for --debug")
    assert trace[-1] == "ValueError: why"


@pytest.mark.usefixtures("restored")
def test_a_log_that_nobody_can_read_any_more_hurts_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    logs.begin(as_json=True, debug=False)
    reader, writer = os.pipe()
    os.close(reader)
    with suppress(BrokenPipeError), os.fdopen(writer, "w") as left:
        monkeypatch.setattr(sys, "stderr", left)
        logging.getLogger("edge_mtl").warning("to nobody")
        with pytest.raises(BrokenPipeError):
            left.flush()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["run", "a", "--debug"], ["--debug", "run", "a"]),
        (["run", "--log-format", "json", "a"], ["--log-format", "json", "run", "a"]),
        (["run", "a", "--log-format=json"], ["--log-format=json", "run", "a"]),
        (["run", "a", "--log-format"], ["--log-format", "run", "a"]),
    ],
)
def test_settings_are_understood_behind_the_command(given: list[str], expected: list[str]) -> None:
    assert cli.settings_first(given) == expected
