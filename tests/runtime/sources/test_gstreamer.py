"""Pipelines of GStreamer: how they are made, and real ones through PyGObject."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_mtl.errors import EdgeMtlError, UsageError
from edge_mtl.runtime.sources import backends, open_source

pytest.importorskip("cv2", reason="OpenCV, of the extra cpu, is not installed")

from edge_mtl.runtime.sources.gstreamer import (
    CsiOptions,
    csi_pipeline,
    rtsp_pipeline,
    with_appsink,
)

TO_BGR = "videoconvert ! video/x-raw,format=BGR"
SINK = "appsink drop=true max-buffers=1 sync=false name=edge_mtl_appsink"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("videotestsrc", f"videotestsrc ! {TO_BGR} ! {SINK}"),
        ("videotestsrc ! appsink", f"videotestsrc ! {TO_BGR} ! {SINK}"),
        (
            "a location='x!y' !  appsink name=mine sync = true max-buffers=3",
            f"a location='x!y' ! {TO_BGR} ! "
            "appsink drop=true max-buffers=3 sync=true name=edge_mtl_appsink",
        ),
    ],
)
def test_a_pipeline_ends_in_an_appsink_of_the_newest_frame(text: str, expected: str) -> None:
    assert with_appsink(text) == expected


def test_the_pipeline_of_a_csi_camera() -> None:
    options = CsiOptions(width=1920, height=1080, fps=60, flip=2)
    assert csi_pipeline(1, options) == (
        "nvarguscamerasrc sensor-id=1 ! video/x-raw(memory:NVMM),format=NV12,width=1920,"
        "height=1080,framerate=60/1 ! nvvidconv flip-method=2 ! video/x-raw,format=BGRx ! "
        f"{TO_BGR} ! {SINK}"
    )


def test_the_pipeline_of_rtsp_takes_a_jetsons_decoder_where_it_is_to() -> None:
    pipeline = rtsp_pipeline('rtsp://me:a"b@c/1', "udp", hardware=True)
    assert pipeline.startswith(r'rtspsrc location="rtsp://me:a\"b@c/1" protocols=udp latency=50 ')
    assert f"decodebin ! nvvidconv ! video/x-raw,format=BGRx ! {TO_BGR} ! {SINK}" in pipeline
    assert "nvvidconv" not in rtsp_pipeline("rtsp://c/1", "tcp", hardware=False)


def test_without_gstreamer_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "gstreamer", lambda: None)
    for text in ("gst:videotestsrc", "csi:0", "rtsp://me:secret@c/1#via=gstreamer"):
        with pytest.raises(EdgeMtlError, match="needs GStreamer, which neither this OpenCV") as e:
            open_source(text)
        assert "apt-get install python3-gi" in str(e.value)
        assert "secret" not in str(e.value)


def test_pips_opencv_and_jetpacks_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "opencv_builds_in", lambda library: library == "GStreamer")
    monkeypatch.setattr(backends, "pygobject", lambda: object())
    assert backends.gstreamer() == "PyGObject"
    monkeypatch.setattr(backends, "pygobject", lambda: None)
    assert backends.gstreamer() == "OpenCV"
    monkeypatch.setattr(backends, "opencv_builds_in", lambda library: False)
    assert backends.gstreamer() is None


def test_a_pipeline_through_opencv(monkeypatch: pytest.MonkeyPatch) -> None:
    if not backends.opencv_builds_in("GStreamer"):
        pytest.skip("this OpenCV has no GStreamer: pip's never has, Debian's and JetPack's have")
    monkeypatch.setattr(backends, "gstreamer", lambda: "OpenCV")
    source = open_source(
        "gst:videotestsrc is-live=true pattern=red ! "
        "video/x-raw,width=322,height=240,framerate=50/1"
    )
    for _ in range(5):
        frame = source.read()
        assert frame is not None
        np.testing.assert_array_equal(frame.image, np.full((240, 322, 3), (0, 0, 255)))
    assert source.frames_per_second == 50
    source.close()


@pytest.mark.slow
def test_rtsp_through_opencvs_gstreamer(
    rtsp_server: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    if not backends.opencv_builds_in("GStreamer"):
        pytest.skip("this OpenCV has no GStreamer: pip's never has, Debian's and JetPack's have")
    monkeypatch.setattr(backends, "gstreamer", lambda: "OpenCV")
    server = rtsp_server()
    source = open_source(f"rtsp://127.0.0.1:{server.port}/camera#via=gstreamer,timeout=1")
    assert source.read() is not None
    server.kill()
    end = time.monotonic() + 8
    while source.health.state != "lost":
        assert time.monotonic() < end
        time.sleep(0.05)
    server.start()
    while source.health.reconnects == 0:
        assert source.read() is not None
    source.close()


@pytest.fixture
def through_pygobject(pygobject: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "gstreamer", lambda: "PyGObject")


@pytest.mark.usefixtures("through_pygobject")
def test_a_pipeline_gives_frames_with_the_time_of_their_capture() -> None:
    # 322 pixels: lines of 966 bytes, which GStreamer fills up to 968.
    caps = "video/x-raw,width=322,height=240,framerate=50/1"
    source = open_source(
        f"gst:videotestsrc is-live=true pattern=red ! {caps} ! identity sleep-time=5000"
    )
    first = source.read()
    assert first is not None
    assert first.image.shape == (240, 322, 3)
    assert first.image.flags.writeable
    np.testing.assert_array_equal(first.image, np.full_like(first.image, (0, 0, 255)))
    assert source.frames_per_second == 50
    ages_ms = []
    for _ in range(10):
        frame = source.read()
        assert frame is not None
        ages_ms.append((time.monotonic_ns() - frame.captured_ns) / 1e6)
    assert min(ages_ms) >= 5  # the element in between is part of a frame's age
    assert np.median(ages_ms) < 200
    source.close()


@pytest.mark.usefixtures("through_pygobject")
def test_waiting_for_a_frame_leaves_the_interpreter_to_others() -> None:
    source = open_source("gst:videotestsrc is-live=true ! video/x-raw,framerate=2/1")
    assert source.read() is not None
    steps, done = 0, threading.Event()
    threading.Timer(0.3, done.set).start()
    while not done.is_set():
        time.sleep(0.001)
        steps += 1
    assert steps > 30
    source.close()


@pytest.mark.usefixtures("through_pygobject")
def test_a_pipeline_that_changes_its_size(tmp_path: Path) -> None:
    parts = " ".join(
        f"videotestsrc num-buffers=10 ! video/x-raw,width={width},height=48,framerate=50/1 ! c."
        for width in (64, 96)
    )
    # Both in turn, as fast as they are taken: nothing is dropped.
    source = open_source(
        f"gst:concat name=c {parts} c. ! queue ! appsink drop=false sync=true#queue=30,give_up=0"
    )
    frames = [source.read() for _ in range(20)]
    assert [frame.image.shape[1] for frame in frames if frame] == [64] * 10 + [96] * 10
    with pytest.raises(EdgeMtlError, match="was lost: the pipeline ended"):
        source.read()
    assert source.health.resolution_changes == 1
    source.close()


@pytest.mark.usefixtures("through_pygobject")
def test_corrupt_buffers_are_dropped_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    from edge_mtl.runtime.sources.gi_capture import GiCapture

    capture = GiCapture(with_appsink("videotestsrc is-live=true"), "edge_mtl_appsink", 2)
    assert capture.grab() is not None
    assert capture.retrieve() is not None
    gst = backends.pygobject()
    assert gst is not None
    capture._sample = capture._pull(2)
    capture._sample.get_buffer().set_flags(gst.BufferFlags.CORRUPTED)
    assert capture.retrieve() is None
    capture.release()


@pytest.mark.usefixtures("through_pygobject")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gst:no_such_element", "GStreamer refuses the pipeline: .*no_such_element"),
        ("csi:0", "GStreamer refuses the pipeline: .*nvarguscamerasrc"),
        ("gst:videotestsrc colour=red", "GStreamer refuses the pipeline: .*colour"),
    ],
)
def test_a_pipeline_with_a_mistake_is_refused_at_once(text: str, message: str) -> None:
    if text == "csi:0" and backends.on_jetson():
        pytest.skip("a Jetson has that element")
    source = open_source(f"{text}#give_up=never")
    with pytest.raises(UsageError, match=message):
        source.read()
    source.close()


@pytest.mark.usefixtures("through_pygobject")
def test_a_pipeline_that_fails_says_why_without_its_password() -> None:
    address = "gst:filesrc location=/no/such/file?token=hidden ! decodebin#give_up=0"
    source = open_source(address)
    with pytest.raises(EdgeMtlError, match=r"filesrc0: Resource not found") as caught:
        source.read()
    assert "hidden" not in str(caught.value)
    source.close()


@pytest.mark.slow
@pytest.mark.usefixtures("through_pygobject")
@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_rtsp_through_gstreamer_is_lost_and_returns(
    rtsp_server: Callable[..., Any], transport: str
) -> None:
    server = rtsp_server("se!c ret")
    source = open_source(
        f"rtsp://me:se!c%20ret@127.0.0.1:{server.port}/camera"
        f"#via=gstreamer,transport={transport},timeout=1"
    )
    for _ in range(10):
        frame = source.read()
        assert frame is not None
        assert frame.image.shape == (240, 320, 3)
    server.kill()
    time.sleep(2)
    assert source.health.state == "lost"
    server.start()
    start = time.monotonic()
    while source.health.reconnects == 0:
        assert source.read() is not None
    print(f"first frame {time.monotonic() - start:.2f} s after the server was back ({transport})")
    source.close()
