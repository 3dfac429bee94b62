"""The web server as programs see it: access, live data, health, metrics, start and end."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_mtl.errors import EdgeMtlError, UsageError

pytest.importorskip("cv2", reason="OpenCV, of the extra cpu, is not installed")
pytest.importorskip("prometheus_client", reason="the extra web is not installed")
pytest.importorskip("starlette", reason="the extra web is not installed")
pytest.importorskip("uvicorn", reason="the extra web is not installed")
pytest.importorskip("websockets", reason="the extra web is not installed")

import cv2
from prometheus_client.parser import text_string_to_metric_families
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection

from edge_mtl.runtime.palette import Tint
from edge_mtl.runtime.sinks.label_png import label_png
from edge_mtl.runtime.sinks.web.server import parse_address

TOKEN = "a token that is long enough"
OpenPage = Callable[..., Any]


def unpack(message: str | bytes) -> tuple[dict[str, Any], list[bytes]]:
    assert isinstance(message, bytes)
    [length] = struct.unpack("<I", message[:4])
    header = json.loads(message[4 : 4 + length])
    rest, parts = message[4 + length :], []
    for size in header["bytes"]:
        parts.append(rest[:size])
        rest = rest[size:]
    assert rest == b""
    return header, parts


def next_frame(
    page: Any, live: ClientConnection, index: int, **changes: Any
) -> tuple[dict[str, Any], list[bytes]]:
    """Show a frame as soon as somebody watches, and what comes of it."""
    live.send(json.dumps({"masks": True}))
    deadline = time.monotonic() + 10
    while not page.sink._feed._viewers:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    page.show(index, **changes)
    while isinstance(message := live.recv(10), str):
        pass
    return unpack(message)


def test_a_frame_is_a_picture_its_masks_and_what_was_seen(open_page: OpenPage) -> None:
    page = open_page()
    page.show(0)  # nobody watches: nothing is encoded
    assert page.sink._feed._newest.number == 0
    with page.live() as live:
        header, (picture, mask) = next_frame(page, live, 1)
    assert header["scene"]["frame"] == 1
    assert header["scene"]["camera"] == "front"
    assert header["vitals"]["frames"] == 2
    source = header["vitals"]["source"]
    assert (source["state"], source["dropped"], source["skipped"]) == ("live", 3, 1)
    assert header["colours"] == {"car": "#5096ff"}
    assert header["lines"] == ["time: day 0.75"]
    image = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    assert image.shape == (64, 96, 3)
    assert abs(int(image.mean()) - 90) <= 1
    assert cv2.imdecode(np.frombuffer(mask, np.uint8), cv2.IMREAD_UNCHANGED).shape[:2] == (64, 96)


def test_a_page_that_stops_asking_gets_no_more(open_page: OpenPage) -> None:
    page = open_page()
    with page.live() as live:
        next_frame(page, live, 0)
        for index in range(1, 20):
            page.show(index)
        with pytest.raises(TimeoutError):
            live.recv(0.2)
        live.send("{}")
        header, parts = unpack(live.recv(10))
        assert header["scene"]["frame"] == 19
        assert len(parts) in (1, 2)


def test_a_page_hears_that_no_frame_comes(open_page: OpenPage) -> None:
    page = open_page()
    with page.live() as live:
        next_frame(page, live, 0)
        live.send("{}")
        status = json.loads(live.recv(10))
        assert (status["camera"], status["frames"], status["flowing"]) == ("front", 1, True)
        assert status["silent_s"] > 0


def test_what_is_no_wish_ends_a_connection_and_no_other(open_page: OpenPage) -> None:
    page = open_page()
    with page.live() as live, page.live() as other:
        live.send("no json")
        with pytest.raises(ConnectionClosed):
            live.recv(10)
        header, _ = next_frame(page, other, 3)
        assert header["scene"]["frame"] == 3


def test_mjpeg_shows_the_drawn_picture(open_page: OpenPage) -> None:
    page = open_page()
    with urllib.request.urlopen(f"{page.url}mjpeg?camera=front", timeout=10) as stream:
        stop = threading.Event()

        def keep_showing() -> None:
            while not stop.is_set():
                page.show(0)
                time.sleep(0.02)

        thread = threading.Thread(target=keep_showing)
        thread.start()
        try:
            assert "multipart/x-mixed-replace" in stream.headers["Content-Type"]
            assert stream.readline() == b"--edge-mtl-frame\r\n"
            stream.readline()
            size = int(stream.readline().split()[1])
            stream.readline()
            picture = cv2.imdecode(np.frombuffer(stream.read(size), np.uint8), cv2.IMREAD_COLOR)
        finally:
            stop.set()
            thread.join()
    assert picture.shape == (64, 96, 3)
    assert picture.std() > 10  # boxes and text on what was plain grey
    assert page.get("/mjpeg?camera=none")[0] == 404


def test_health_tells_a_process_from_flowing_frames(open_page: OpenPage) -> None:
    page = open_page()
    assert page.get("/healthz")[0] == 200
    status, text, _ = page.get("/readyz")
    assert (status, json.loads(text)) == (503, {"ready": False, "cameras": {"front": False}})
    page.show(0)
    assert page.get("/readyz")[0] == 200
    page.vitals._last_ns = time.monotonic_ns() - 3_000_000_000
    assert page.get("/readyz")[0] == 503
    assert page.get("/healthz")[0] == 200


def test_prometheus_reads_the_metrics(open_page: OpenPage) -> None:
    class Slow:
        name, written, dropped, failure = "--save o.mp4", 5, 2, "disk full"

    page = open_page()
    page.vitals.sinks = [Slow()]
    for index in range(4):
        page.show(index)
    status, text, headers = page.get("/metrics")
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain; version=")
    found = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    camera = ("camera", "front")
    assert found["edge_mtl_frames_total", camera] == 4
    assert found["edge_mtl_source_dropped_total", camera] == 3
    assert found["edge_mtl_source_state", camera, ("state", "live")] == 1
    engine = (camera, ("stage", "engine"))
    assert found[("edge_mtl_stage_seconds_count", *engine)] == 4
    assert found[("edge_mtl_stage_seconds_sum", *engine)] == pytest.approx(0.028)
    buckets = {
        le: found["edge_mtl_stage_seconds_bucket", camera, ("le", le), engine[1]]
        for le in ("0.005", "0.01", "+Inf")
    }
    assert buckets == {"0.005": 0, "0.01": 4, "+Inf": 4}
    sink = (camera, ("sink", "--save o.mp4"))
    assert found[("edge_mtl_sink_written_total", *sink)] == 5
    assert found[("edge_mtl_sink_dropped_total", *sink)] == 2
    assert found[("edge_mtl_sink_failed", *sink)] == 1
    assert found["edge_mtl_info", ("version", version("edge-mtl"))] == 1


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="there is no /proc to read")
def test_prometheus_reads_what_the_process_takes(open_page: OpenPage) -> None:
    text = open_page().get("/metrics")[1]
    found = {family.name: family.samples for family in text_string_to_metric_families(text)}
    [resident] = found["process_resident_memory_bytes"]
    assert 1e7 < resident.value < 1e11
    assert found["process_open_fds"][0].value > 2
    assert found["process_cpu_seconds"][0].value > 0


def test_degraded_scenes_are_sent_and_counted(open_page: OpenPage) -> None:
    page = open_page()
    masks_only = {"detections": {}, "poses": {}, "classifications": {}}
    page.show(0)
    with page.live() as live:
        header, parts = next_frame(page, live, 1, degraded=True, masks={})
        assert (header["scene"]["degraded"], header["scene"]["masks"]) == (True, {})
        assert len(parts) == 1  # the picture alone
        header, parts = next_frame(page, live, 2, degraded=True, **masks_only)
        assert (header["scene"]["detections"], len(parts)) == ({}, 2)
        vitals = header["vitals"]
        assert (vitals["degraded"], vitals["degradations"], vitals["degrading"]) == (2, 1, True)
        header, _ = next_frame(page, live, 3)
        assert "degraded" not in header["scene"]
    page.show(4, degraded=True, masks={})
    _, text, _ = page.get("/metrics")
    assert 'edge_mtl_degraded_frames_total{camera="front"} 3.0' in text
    assert 'edge_mtl_degradations_total{camera="front"} 2.0' in text


def test_off_the_loopback_a_token_is_needed(open_page: OpenPage) -> None:
    with pytest.raises(UsageError, match="needs a token there: set EDGE_MTL_WEB_TOKEN"):
        open_page("0.0.0.0:0")
    with pytest.raises(UsageError, match="at least 16 characters in EDGE_MTL_WEB_TOKEN, found 5"):
        open_page(token="short")
    page = open_page("0.0.0.0:0", TOKEN)
    assert page.get("/healthz")[0] == page.get("/readyz")[0] - 303 == 200
    for path in ("/", "/cameras", "/metrics", "/mjpeg", "/page.js", "/?token=wrong"):
        status, text, headers = page.get(path)
        assert (status, headers["WWW-Authenticate"]) == (401, "Bearer")
        assert "needs a token" in text
    assert page.get("/cameras", Authorization=f"Bearer {TOKEN}x")[0] == 401
    assert page.get("/cameras", Authorization=f"Bearer {TOKEN}")[0] == 200
    with pytest.raises(InvalidStatus, match="403"):
        page.live()
    with page.live(Authorization=f"Bearer {TOKEN}") as live:
        live.send("{}")
        assert json.loads(live.recv(10))["camera"] == "front"


def test_a_token_in_an_address_becomes_a_cookie_and_leaves_it(
    open_page: OpenPage, capfd: pytest.CaptureFixture[str]
) -> None:
    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: Any) -> None:
            return None

    page = open_page("0.0.0.0:0", TOKEN)
    url = f"{page.url}cameras?camera=front&token={urllib.request.quote(TOKEN)}"
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.build_opener(Stay).open(url, timeout=10)
    headers = caught.value.headers
    assert (caught.value.code, headers["Location"]) == (303, "/cameras?camera=front")
    cookie, *attributes = headers["Set-Cookie"].split("; ")
    assert TOKEN not in headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=strict"} <= set(attributes)
    assert page.get("/cameras", Cookie=cookie)[0] == 200
    assert page.get("/cameras", Cookie=cookie[:-1] + "_")[0] == 401
    # It holds for a server that was started anew with the same token, and for no other.
    assert open_page("0.0.0.0:0", TOKEN).get("/cameras", Cookie=cookie)[0] == 200
    assert open_page("0.0.0.0:0", TOKEN + "!").get("/cameras", Cookie=cookie)[0] == 401
    assert TOKEN not in "".join(capfd.readouterr())


def test_another_sites_page_is_refused(open_page: OpenPage) -> None:
    page = open_page()
    host = page.url.removeprefix("http://").rstrip("/")
    assert page.get("/cameras", Origin=f"http://{host}")[0] == 200
    assert page.get("/cameras", Origin="http://evil.example")[0] == 403
    # A name of another site that was made to point here.
    assert page.get("/cameras", Host="evil.example")[0] == 403
    with pytest.raises(InvalidStatus, match="403"):
        page.live(Origin="http://evil.example")


def test_pages_load_nothing_from_elsewhere(open_page: OpenPage) -> None:
    page = open_page()
    for path in ("/", "/page.css", "/page.js", "/overlay.js", "/chart.js"):
        status, text, headers = page.get(path)
        assert status == 200
        assert "//" not in text.replace("// ", "").replace("//${location.host}", "")
        assert headers["Content-Security-Policy"].startswith("default-src 'self'")
    assert page.get("/none")[0] == 404


def test_two_cameras_share_an_address_until_both_have_gone(
    open_page: OpenPage,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    left, right = (open_page(address, name=name) for name in ("left", "right"))
    assert [each["camera"] for each in json.loads(left.get("/cameras")[1])] == ["left", "right"]
    left.sink.close()
    assert [each["camera"] for each in json.loads(right.get("/cameras")[1])] == ["right"]
    right.sink.close()
    with pytest.raises(urllib.error.URLError):
        right.get("/cameras")
    again = open_page(address)  # the address is free at once
    assert again.get("/healthz")[0] == 200


def test_an_address_that_is_taken_is_one_line(open_page: OpenPage) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(EdgeMtlError, match=f"{port}: expected an address that is free"):
            open_page(f"127.0.0.1:{port}")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:80", ("127.0.0.1", 80)),
        (":8000", ("127.0.0.1", 8000)),
        ("[::1]:8000", ("::1", 8000)),
        ("localhost:0", ("localhost", 0)),
    ],
)
def test_addresses(text: str, address: tuple[str, int]) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize("text", ["8000", "localhost", "localhost:http", "1.2.3.4:70000"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(UsageError, match="expected HOST:PORT"):
        parse_address(text)


def test_a_mask_keeps_its_labels_colours_and_cover() -> None:
    labels = np.random.default_rng(0).integers(0, 3, (5, 7), np.uint8)
    tints = [Tint((1, 2, 3), 0.0), Tint((200, 100, 50), 0.4), Tint((9, 8, 7), 1.0)]
    encoded = np.frombuffer(label_png(labels, tints), np.uint8)
    found = cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED)
    expected = np.array([(*tint.bgr, round(255 * tint.cover)) for tint in tints], np.uint8)
    np.testing.assert_array_equal(found, expected[labels])
