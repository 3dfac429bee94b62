"""What is asked of a V4L2 device, and said of what its driver refuses; the device is a double."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("cv2", reason="OpenCV, of the extra cpu, is not installed")

import cv2

from edge_mtl.runtime.sources import camera, open_source


class Device:
    """Answers as `cv2.VideoCapture` of V4L2; `fixed` are the properties that it does not change."""

    def __init__(self) -> None:
        self.fixed: dict[int, float] = {}
        self.set_to: list[tuple[int, float]] = []
        self.opened: tuple[Any, ...] = ()
        self.plugged = True
        self.damaged = False
        self.stamp_ms: float | None = None

    def __call__(self, *opened: Any) -> Device:
        self.opened = opened
        return self

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        return self.plugged

    def set(self, code: int, value: float) -> bool:
        self.set_to.append((code, value))
        return code not in self.fixed

    def get(self, code: int) -> float:
        if code == cv2.CAP_PROP_POS_MSEC:
            return time.monotonic() * 1e3 - 7 if self.stamp_ms is None else self.stamp_ms
        return self.fixed.get(code, dict(self.set_to).get(code, 0.0))

    def grab(self) -> bool:
        time.sleep(0.01)
        return self.plugged

    def retrieve(self, image: Any) -> tuple[bool, Any]:
        return (False, None) if self.damaged else (True, np.zeros((48, 64, 3), np.uint8))

    def release(self) -> None:
        pass


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Device:
    made = Device()
    monkeypatch.setattr(cv2, "VideoCapture", made)
    monkeypatch.setattr(camera, "_find", lambda address: Path(f"/dev/video{address}"))
    return made


def test_options_are_set_in_the_order_that_drivers_need(device: Device) -> None:
    source = open_source("0#exposure=8,fps=60,height=720,width=1280,fourcc=MJPG")
    assert source.read() is not None
    source.close()
    assert device.opened == (0, cv2.CAP_V4L2)
    assert device.set_to == [
        (cv2.CAP_PROP_BUFFERSIZE, 1),
        (cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG")),
        (cv2.CAP_PROP_AUTO_EXPOSURE, 1),
        (cv2.CAP_PROP_FRAME_WIDTH, 1280),
        (cv2.CAP_PROP_FRAME_HEIGHT, 720),
        (cv2.CAP_PROP_FPS, 60),
        (cv2.CAP_PROP_EXPOSURE, 80),
    ]
    assert source.frames_per_second == 60


def test_what_is_left_out_stays_as_the_driver_has_it(device: Device) -> None:
    source = open_source("/dev/v4l/by-id/usb-camera-index0#exposure=auto")
    assert source.read() is not None
    source.close()
    assert device.opened == ("/dev/v4l/by-id/usb-camera-index0", cv2.CAP_V4L2)
    assert device.set_to == [(cv2.CAP_PROP_BUFFERSIZE, 1), (cv2.CAP_PROP_AUTO_EXPOSURE, 3)]


def test_what_the_driver_refuses_is_said(device: Device, caplog: pytest.LogCaptureFixture) -> None:
    yuyv = cv2.VideoWriter.fourcc(*"YUYV")
    device.fixed = {cv2.CAP_PROP_FOURCC: yuyv, cv2.CAP_PROP_FRAME_WIDTH: 640}
    device.fixed |= {cv2.CAP_PROP_AUTO_EXPOSURE: 3}
    source = open_source("0#fourcc=MJPG,width=1280,height=720,exposure=8")
    assert source.read() is not None
    source.close()
    [record] = caplog.records
    assert record.getMessage() == (
        "camera 0 refused: fourcc=MJPG, it has YUYV; exposure: it has no such mode; width=1280, "
        "it has 640"
    )


def test_frames_are_stamped_by_the_driver_where_it_is_to_be_believed(device: Device) -> None:
    source = open_source("0")
    frame = source.read()
    assert frame is not None
    age_ms = (time.monotonic_ns() - frame.captured_ns) / 1e6
    assert age_ms >= 7
    device.stamp_ms = 5.0  # of another clock
    source.read()
    frame = source.read()
    assert frame is not None
    assert (time.monotonic_ns() - frame.captured_ns) / 1e6 < 1000
    source.close()


def test_a_frame_that_the_driver_cannot_decode_is_dropped(device: Device) -> None:
    source = open_source("0")
    assert source.read() is not None
    device.damaged = True
    time.sleep(0.1)
    device.damaged = False
    assert source.read() is not None
    assert source.health.skipped > 0
    assert source.health.state == "live"
    source.close()


def test_a_camera_that_is_unplugged_and_plugged_in_again(
    device: Device, caplog: pytest.LogCaptureFixture
) -> None:
    source = open_source("0")
    assert source.read() is not None
    device.plugged = False
    time.sleep(0.3)
    assert source.health.state == "lost"
    assert "cannot be opened; is another program using it" in source.health.reason
    device.plugged = True
    while source.health.reconnects == 0:
        assert source.read() is not None
    assert len(caplog.records) == 2
    source.close()
