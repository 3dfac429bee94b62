"""The page in a browser: what it shows, what its switches do, and what it survives.

Chromium is looked for on the PATH, or where EDGE_MTL_CHROMIUM says.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

pytest.importorskip("cv2", reason="OpenCV, of the extra cpu, is not installed")
pytest.importorskip("prometheus_client", reason="the extra web is not installed")
pytest.importorskip("starlette", reason="the extra web is not installed")
pytest.importorskip("uvicorn", reason="the extra web is not installed")
pytest.importorskip("websockets", reason="the extra web is not installed")
pytest.importorskip("playwright", reason="Playwright, of the extra dev, is not installed")

from playwright.sync_api import Browser, expect

from edge_mtl.errors import EdgeMtlError
from edge_mtl.runtime.pipeline import Pipeline
from edge_mtl.runtime.sinks.by_camera import ByCamera
from edge_mtl.runtime.sources import open_source
from edge_mtl.runtime.sources.cameras import Cameras
from edge_mtl.runtime.sources.paced import PacedSource
from edge_mtl.runtime.stream import Stream

OpenPage = Callable[..., Any]
CAR, ROAD_OVER_GREY = (80, 150, 255), (101, 82, 111)


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Any]]:
    """Opens an address in a window of its own; errors in the console fail the test."""
    contexts, errors = [], []

    def open_at(url: str, width: int = 1280, height: int = 800, **options: Any) -> Any:
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: check_own(request.url))
        page.goto(url)
        return page

    def check_own(url: str) -> None:
        if not url.startswith(("http://127.0.0.1:", "http://localhost:", "data:", "blob:")):
            errors.append(f"asked for {url}")

    yield open_at
    for context in contexts:
        context.close()
    assert errors == []


@contextmanager
def showing(*cameras: Any) -> Iterator[None]:
    """Frames come as from a camera."""
    stop = threading.Event()

    def show() -> None:
        index = 0
        while not stop.is_set():
            for camera in cameras:
                camera.show(index)
            index += 1
            time.sleep(0.03)

    thread = threading.Thread(target=show)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def pixel(page: Any, x: float, y: float) -> tuple[int, ...]:
    """A pixel of the picture, at a place between 0 and 1."""
    script = """([x, y]) => {
        const canvas = document.getElementById("picture");
        const at = [Math.floor(x * canvas.width), Math.floor(y * canvas.height), 1, 1];
        return [...canvas.getContext("2d").getImageData(...at).data].slice(0, 3);
    }"""
    return tuple(page.evaluate(script, [x, y]))


def eventually(what: Callable[[], Any], expected: Any, near: int = 0) -> None:
    deadline = time.monotonic() + 10
    while True:
        found = what()
        if all(abs(a - b) <= near for a, b in zip(found, expected, strict=True)):
            return
        assert time.monotonic() < deadline, f"expected {expected}, found {found}"
        time.sleep(0.05)


def live(page: Any) -> None:
    expect(page.locator("#status")).to_have_text("Live", timeout=15_000)


def test_overlays_are_switched_and_stay_so(open_page: OpenPage, visit: Any) -> None:
    camera = open_page()
    with showing(camera):
        page = visit(camera.url)
        live(page)
        edge, inside = (30 / 96, 30 / 64), (0.9, 0.9)
        grey = (90, 90, 90)
        eventually(lambda: pixel(page, *inside), ROAD_OVER_GREY, near=3)
        eventually(lambda: pixel(page, *edge), CAR, near=3)
        page.get_by_role("button", name="Masks").click()
        eventually(lambda: pixel(page, *inside), grey, near=3)
        eventually(lambda: pixel(page, *edge), CAR, near=3)
        page.get_by_role("button", name="Boxes").click()
        eventually(lambda: pixel(page, *edge), grey, near=3)
        page.reload()
        live(page)
        for name, on in (("Boxes", "false"), ("Masks", "false"), ("Labels", "true")):
            button = page.get_by_role("button", name=name)
            expect(button).to_have_attribute("aria-pressed", on)
        expect(page.locator("#seen")).to_have_text("car x 1 · time: day 0.75")


def test_figures_and_the_chart_are_of_the_stream(open_page: OpenPage, visit: Any) -> None:
    camera = open_page()
    with showing(camera):
        page = visit(camera.url)
        live(page)
        expect(page.locator("#legend")).to_contain_text("engine7.0 ms")
        expect(page.locator("#health")).to_contain_text("sourcelive, 1 skipped")
        expect(page.locator("#dropped")).to_have_text("3")
        expect(page.locator("#frames")).not_to_have_text(page.inner_text("#frames"))
        assert 5 <= float(page.inner_text("#age").removesuffix(" ms")) < 1000
        script = """() => {
            const canvas = document.getElementById("chart");
            const all = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            return new Set(new Uint32Array(all.data.buffer)).size;
        }"""
        assert page.evaluate(script) > 20


def test_scenes_of_half_of_the_tasks_are_shown_and_told(open_page: OpenPage, visit: Any) -> None:
    class EverySecondTask:
        """Masks in one frame, everything else in the next."""

        def __init__(self, camera: Any) -> None:
            self.camera = camera

        def show(self, index: int) -> None:
            others = {"detections": {}, "poses": {}, "classifications": {}}
            self.camera.show(index, degraded=True, **(others if index % 2 else {"masks": {}}))

    camera = open_page()
    with showing(EverySecondTask(camera)):
        page = visit(camera.url)
        live(page)
        expect(page.locator("#health")).to_contain_text("networkdegraded, ")
        expect(page.locator("#health")).to_contain_text("frames degraded in 1 stretches")
        expect(page.locator("#seen")).to_have_text("nothing in boxes")
        expect(page.locator("#seen")).to_have_text("car x 1 · time: day 0.75")
        eventually(lambda: pixel(page, 0.9, 0.9), ROAD_OVER_GREY, near=3)


def test_it_says_that_the_camera_is_lost_and_goes_on(open_page: OpenPage, visit: Any) -> None:
    class Health:
        state = "lost"

        def to_json(self) -> dict[str, Any]:
            return {"state": self.state, "reason": "unplugged", "dropped": 3, "skipped": 1}

    camera = open_page()
    health = camera.vitals.source.health = Health()
    health.state = "live"
    with showing(camera):
        page = visit(camera.url)
        live(page)
    health.state = "lost"
    camera.vitals._last_ns -= 3_000_000_000
    expect(page.locator("#status")).to_have_text("No frames", timeout=10_000)
    expect(page.locator("#notice")).to_contain_text("The camera has been lost for")
    expect(page.locator("#notice")).to_contain_text("(unplugged)")
    expect(page.locator("#health .bad")).to_contain_text("lost")
    health.state = "live"
    with showing(camera):
        live(page)
        expect(page.locator("#notice")).to_be_hidden()


def test_it_comes_back_with_the_server(open_page: OpenPage, visit: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    camera = open_page(address)
    with showing(camera):
        page = visit(camera.url)
        live(page)
    camera.sink.close()
    expect(page.locator("#status")).to_have_text("Disconnected", timeout=10_000)
    expect(page.locator("#notice")).to_contain_text("Trying again")
    again = open_page(address)
    with showing(again):
        live(page)
        expect(page.locator("#notice")).to_be_hidden()


def test_cameras_are_switched(open_page: OpenPage, visit: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    front, rear = open_page(address, name="front"), open_page(address, name="rear")
    with showing(front):
        page = visit(front.url)
        live(page)
        expect(page.locator("#seen")).to_contain_text("car")
        assert any(pixel(page, 0.5, 0.5))
        page.select_option("#camera", "rear")
        expect(page.locator("#status")).to_have_text("Waiting", timeout=10_000)
        # Nothing of the front camera stands under the name of the rear one.
        time.sleep(0.3)
        assert pixel(page, 0.5, 0.5) == (0, 0, 0)
        expect(page.locator("#seen")).to_be_empty()
        expect(page.locator("#legend")).to_be_empty()
        expect(page.locator("#frames")).to_have_text("0")
        with showing(rear):
            live(page)
            assert rear.sink._feed._viewers
            assert not front.sink._feed._viewers


@pytest.mark.slow
def test_of_two_cameras_in_one_stream_one_dies_and_the_other_runs_on(
    visit: Any, tiny_bundle: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxruntime", reason="the extra cpu is not installed")
    monkeypatch.delenv("EDGE_MTL_WEB_TOKEN", raising=False)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    cut = threading.Event()

    class Camera(PacedSource):
        def read(self) -> Any:
            if cut.is_set():
                raise EdgeMtlError("the cable is cut")
            return super().read()

    front = Camera(open_source("rendered#width=96,height=64"), 20)
    rear = PacedSource(open_source("rendered#seed=2,width=64,height=96"), 20)
    sources = {"front": front, "rear": rear}
    with Pipeline.from_bundle(tiny_bundle, "onnxruntime", 1) as pipeline:
        sink = ByCamera.open({"web": address}, sources)
        stream = Stream(Cameras(sources), [pipeline], [sink])
        thread = threading.Thread(target=stream.run)
        thread.start()
        try:
            page = visit(f"http://{address}/")
            live(page)
            expect(page.locator("#camera")).to_have_value("front")
            assert portrait(page) is False
            cut.set()
            expect(page.locator("#status")).to_have_text("No frames", timeout=15_000)
            expect(page.locator("#notice")).to_have_text("The camera is lost: the cable is cut.")
            expect(page.locator("#health .bad")).to_contain_text("ended")
            expect(page.locator("#camera option").first).to_have_text(
                "front (no frames)", timeout=10_000
            )
            page.select_option("#camera", "rear")
            live(page)
            expect(page.locator("#notice")).to_be_hidden()
            eventually(lambda: (portrait(page),), (True,))
            frames = page.inner_text("#frames")
            expect(page.locator("#frames")).not_to_have_text(frames)
            page.select_option("#camera", "front")
            expect(page.locator("#notice")).to_have_text(
                "The camera is lost: the cable is cut.", timeout=10_000
            )
        finally:
            stream.stop()
            thread.join(10)


def portrait(page: Any) -> bool:
    script = "() => (({ width, height }) => height > width)(document.getElementById('picture'))"
    found: bool = page.evaluate(script)
    return found


def test_a_token_opens_it_once_and_for_all(open_page: OpenPage, visit: Any) -> None:
    token = "a-token-that-is-long-enough"
    camera = open_page(token=token)
    with showing(camera):
        page = visit(f"{camera.url}?token={token}")
        live(page)
        assert page.url == camera.url
        page.goto(camera.url)
        live(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone(open_page: OpenPage, visit: Any, scheme: str) -> None:
    camera = open_page(name="rtsp://a-camera-with-a-long-name.example:8554/street/front")
    with showing(camera):
        options = {"device_scale_factor": 3, "has_touch": True, "color_scheme": scheme}
        page = visit(camera.url, 390, 844, **options)
        live(page)
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        for button in page.get_by_role("button").all():
            assert button.bounding_box()["height"] >= 44
        picture = page.locator("#picture")
        assert picture.bounding_box()["width"] == 390
        assert page.evaluate("document.getElementById('picture').width") == 3 * 390
        page.get_by_role("button", name="Masks").tap()
        eventually(lambda: pixel(page, 0.9, 0.9), (90, 90, 90), near=3)
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(17, 20, 24)"
        assert dark == (scheme == "dark")
