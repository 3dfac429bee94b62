"""Real cameras' stand-ins: servers of GStreamer and FFmpeg on the loopback, killed at will."""

from __future__ import annotations

import functools
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge_mtl.runtime.sources import backends

_SERVER = Path(__file__).with_name("rtsp_server.py")
_DEBIANS_GI = Path("/usr/lib/python3/dist-packages/gi")


class Server:
    """A program that serves at `port`; stopped, frozen and started again by a test."""

    def __init__(self, command: Callable[[int], list[str]], says_ready: bool) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self._command = command
        self._says_ready = says_ready
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; an RTSP server listens when this returns."""
        self._process = subprocess.Popen(
            self._command(self.port), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        if self._says_ready:
            assert self._process.stdout is not None
            assert self._process.stdout.readline() == b"ready\n"

    def kill(self) -> None:
        """End it as a cut power line would."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def freeze(self) -> None:
        """Let it stand still; its connections stay open."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


@functools.cache
def _python_with_rtsp_server() -> str | None:
    probe = "import gi; gi.require_version('GstRtspServer', '1.0')"
    for python in (sys.executable, "/usr/bin/python3"):
        if not Path(python).exists():
            continue
        done = subprocess.run([python, "-c", probe], capture_output=True)
        encoder = shutil.which("gst-inspect-1.0") and subprocess.run(
            ["gst-inspect-1.0", "x264enc"], capture_output=True
        )
        if done.returncode == 0 and encoder and encoder.returncode == 0:
            return python
    return None


StartServer = Callable[[Callable[[int], list[str]], bool], Server]


@pytest.fixture
def serve() -> Iterator[StartServer]:
    """Start servers that the end of the test kills."""
    servers: list[Server] = []

    def start(command: Callable[[int], list[str]], says_ready: bool) -> Server:
        servers.append(Server(command, says_ready))
        servers[-1].start()
        return servers[-1]

    yield start
    for server in servers:
        server.kill()


@pytest.fixture
def rtsp_server(serve: StartServer) -> Callable[..., Server]:
    """Start a server of rtsp://127.0.0.1:PORT/camera, with a password if one is given."""
    python = _python_with_rtsp_server()
    if python is None:
        pytest.skip(
            "no RTSP server: apt-get install python3-gi gir1.2-gst-rtsp-server-1.0 "
            "gstreamer1.0-tools gstreamer1.0-plugins-ugly"
        )
    return lambda *password: serve(lambda port: [python, str(_SERVER), str(port), *password], True)


@pytest.fixture
def mjpeg_server(serve: StartServer) -> Callable[[str], Server]:
    """Start FFmpeg as a camera that serves one client MJPEG at http://127.0.0.1:PORT/."""
    if shutil.which("ffmpeg") is None:
        pytest.skip("no ffmpeg: apt-get install ffmpeg")

    def command(size: str, port: int) -> list[str]:
        picture = ["-re", "-f", "lavfi", "-i", f"testsrc=size={size}:rate=25"]
        output = ["-q:v", "5", "-f", "mpjpeg", "-listen", "1", f"http://127.0.0.1:{port}/"]
        return ["ffmpeg", *picture, *output]

    return lambda size: serve(lambda port: command(size, port), False)


@pytest.fixture
def pygobject(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """PyGObject and GStreamer; Debian's, where this Python is a copy of Debian's version."""
    backends.pygobject.cache_clear()
    if backends.pygobject() is None:
        suffix = sysconfig.get_config_var("EXT_SUFFIX")
        if (_DEBIANS_GI / f"_gi{suffix}").exists():
            (tmp_path / "gi").symlink_to(_DEBIANS_GI)
            monkeypatch.syspath_prepend(tmp_path)
            backends.pygobject.cache_clear()
        if backends.pygobject() is None:
            pytest.skip("no PyGObject with GStreamer: apt-get install python3-gi")
    yield
    # What was imported stays imported; what was found here is not found without the path.
    backends.pygobject.cache_clear()
