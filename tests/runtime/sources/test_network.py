"""Streams of real servers, which are killed, frozen and replaced."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest

from edge_mtl.errors import EdgeMtlError
from edge_mtl.runtime.sources import Frame, Source, open_source

cv2 = pytest.importorskip("cv2", reason="OpenCV, of the extra cpu, is not installed")

StartRtsp = Callable[..., Any]
StartMjpeg = Callable[[str], Any]


def next_frame(source: Source) -> Frame:
    frame = source.read()
    assert frame is not None
    return frame


def read_for(source: Source, seconds: float, into: list[Frame] | None = None) -> list[Frame]:
    end = time.monotonic() + seconds
    frames = [] if into is None else into
    while time.monotonic() < end:
        frames.append(next_frame(source))
    return frames


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_rtsp_gives_frames_at_their_pace(rtsp_server: StartRtsp, transport: str) -> None:
    server = rtsp_server()
    source = open_source(f"rtsp://127.0.0.1:{server.port}/camera#transport={transport}")
    first = next_frame(source)
    assert first.image.shape == (240, 320, 3)
    frames = read_for(source, 0.7)
    assert source.frames_per_second == 30
    # No more than the camera made: nothing was queued before the first frame.
    assert 3 < frames[-1].index - first.index < 30
    source.close()
    assert source.health.state == "ended"


def test_rtsp_with_a_password(rtsp_server: StartRtsp) -> None:
    server = rtsp_server("se!cr%40et")
    address = f"rtsp://me:se!cr%2540et@127.0.0.1:{server.port}/camera"
    source = open_source(address)
    assert next_frame(source).image.shape == (240, 320, 3)
    assert source.name == f"rtsp://***@127.0.0.1:{server.port}/camera"
    source.close()


def test_a_wrong_password_is_said_and_not_shown(rtsp_server: StartRtsp) -> None:
    server = rtsp_server("right")
    code = (
        "import logging, sys\n"
        "logging.basicConfig(level='DEBUG')\n"
        "from edge_mtl.runtime.sources import open_source\n"
        "source = open_source(sys.stdin.read())\n"
        "try: source.read()\n"
        "finally: source.close()\n"
    )
    for address in (
        f"rtsp://me:hidden@127.0.0.1:{server.port}/camera#give_up=0",
        f"http://me:hidden@127.0.0.1:{server.port}/?token=hidden#give_up=0",
        "rtsp://me:hidden@127.0.0.1:1/camera#give_up=0",
    ):
        done = subprocess.run(
            [sys.executable, "-c", code], input=address, capture_output=True, text=True
        )
        assert done.returncode == 1
        assert "cannot be opened: no answer, or none that FFmpeg understands" in done.stderr
        assert "***@127.0.0.1" in done.stderr
        assert "hidden" not in done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_an_rtsp_server_that_is_killed_and_comes_back(
    rtsp_server: StartRtsp, transport: str, record_property: Callable[[str, object], None]
) -> None:
    server = rtsp_server()
    address = f"rtsp://127.0.0.1:{server.port}/camera"
    source = open_source(f"{address}#transport={transport},timeout=1")
    read_for(source, 0.5)
    server.kill()
    time.sleep(3)
    assert source.health.state == "lost"
    server.start()
    start_ns = time.monotonic_ns()
    frame = next_frame(source)
    while frame.captured_ns < start_ns:  # the last one before the loss
        frame = next_frame(source)
    back_s = (time.monotonic_ns() - start_ns) / 1e9
    record_property("back_s", back_s)
    print(f"first frame {back_s:.2f} s after the server was back ({transport})")
    assert back_s < 10
    assert source.health.reconnects == 1
    read_for(source, 0.3)
    source.close()


@pytest.mark.slow
def test_a_server_that_stands_still_and_goes_on(rtsp_server: StartRtsp) -> None:
    server = rtsp_server()
    source = open_source(f"rtsp://127.0.0.1:{server.port}/camera#timeout=1")
    read_for(source, 0.5)
    server.freeze()
    start = time.monotonic()
    while source.health.state != "lost":
        time.sleep(0.05)
        assert time.monotonic() - start < 8
    server.thaw()
    start_ns = time.monotonic_ns()
    while next_frame(source).captured_ns < start_ns:
        pass
    assert source.health.reconnects == 1
    source.close()


def test_it_stops_while_a_server_does_not_answer(rtsp_server: StartRtsp) -> None:
    server = rtsp_server()
    server.freeze()  # the system accepts the connection, and that is all
    source = open_source(f"rtsp://127.0.0.1:{server.port}/camera")
    time.sleep(0.3)
    start = time.monotonic()
    source.stop()
    assert source.read() is None
    source.close()
    assert time.monotonic() - start < 1


def test_a_server_that_does_not_answer_keeps_no_other_camera_waiting(
    rtsp_server: StartRtsp,
) -> None:
    if tuple(map(int, cv2.__version__.split(".")[:2])) < (4, 10):
        pytest.skip("an old OpenCV opens one stream after the other")
    frozen, server = rtsp_server(), rtsp_server()
    frozen.freeze()
    dead = open_source(f"rtsp://127.0.0.1:{frozen.port}/camera")
    time.sleep(0.2)
    start = time.monotonic()
    source = open_source(f"rtsp://127.0.0.1:{server.port}/camera")
    next_frame(source)
    assert time.monotonic() - start < 8  # the other gives up opening after 10
    assert dead.health.state == "connecting"
    source.close()
    dead.close()


def jpeg(width: int, height: int, value: int) -> bytes:
    data: bytes = cv2.imencode(".jpg", np.full((height, width, 3), value, np.uint8))[1].tobytes()
    return data


@pytest.fixture
def serve_parts() -> Iterator[Callable[[list[bytes]], str]]:
    """Serve JPEG files as a stream of MJPEG, each client from the first, 50 a second."""
    servers: list[ThreadingHTTPServer] = []

    def serve(parts: list[bytes]) -> str:
        class Camera(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                self.end_headers()
                for part in parts:
                    head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(part)}"
                    self.wfile.write(head.encode() + b"\r\n\r\n" + part + b"\r\n")
                    time.sleep(0.02)

            def log_message(self, *_: object) -> None:
                pass

        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), Camera))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}/"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def test_corrupt_frames_of_a_stream_are_dropped_and_counted(
    serve_parts: Callable[[list[bytes]], str],
) -> None:
    whole = jpeg(64, 48, 50)
    parts = [*[whole] * 12, *[b"garbage" * 50] * 3, *[whole] * 5, *[whole[:200]] * 2, *[whole] * 9]
    source = open_source(f"{serve_parts(parts)}#queue=99,give_up=0")
    frames: list[Frame] = []
    with pytest.raises(EdgeMtlError, match="it gives no frames any more"):
        read_for(source, 10, into=frames)
    # The first ones go to FFmpeg's look at the stream.
    assert len(frames) >= 14 + 5
    assert source.health.skipped == 5
    assert frames[-1].index == len(frames) + 5 - 1
    assert all(abs(frame.image.mean() - 50) < 2 for frame in frames)
    source.close()


@pytest.mark.slow
def test_mjpeg_over_http_changes_its_size_and_returns(mjpeg_server: StartMjpeg) -> None:
    server = mjpeg_server("320x240")
    source = open_source(f"http://127.0.0.1:{server.port}/#timeout=2")
    assert next_frame(source).image.shape == (240, 320, 3)
    server.kill()
    other = mjpeg_server("160x120")
    other.kill()
    other.port = server.port
    other.start()
    frame = next_frame(source)
    while frame.image.shape == (240, 320, 3):
        frame = next_frame(source)
    assert frame.image.shape == (120, 160, 3)
    health = source.health
    assert (health.state, health.reconnects, health.resolution_changes) == ("live", 1, 1)
    source.close()
