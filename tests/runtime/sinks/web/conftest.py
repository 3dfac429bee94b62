"""A page of one camera whose frames the test shows by hand."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from msgspec.structs import replace

from edge_mtl.runtime.sources import Frame, Health
from edge_mtl.runtime.vitals import Vitals
from edge_mtl.scene import Scene


class Source:
    """As much of a source as the page looks at."""

    name, live, frames_per_second, length = "front", True, 30.0, None

    def __init__(self) -> None:
        self.health = Health(dropped=3, skipped=1)

    def read(self) -> Frame | None:
        return None

    def stop(self) -> None:
        pass

    def close(self) -> None:
        pass


@dataclass
class Page:
    sink: Any
    vitals: Vitals
    show: Callable[..., None]

    @property
    def url(self) -> str:
        url: str = self.sink._server.url
        return url

    def get(self, path: str, **headers: str) -> tuple[int, str, Any]:
        request = urllib.request.Request(self.url.rstrip("/") + path, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.read().decode(), answer.headers
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(), error.headers

    def live(self, **headers: str) -> Any:
        from websockets.sync.client import connect

        url = self.url.replace("http", "ws") + "live"
        return connect(url, additional_headers=headers, max_size=None, open_timeout=10)


@pytest.fixture
def open_page(
    frame: Callable[..., Frame], scene: Callable[[Frame], Scene], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Page]]:
    from edge_mtl.runtime.draw import Annotator
    from edge_mtl.runtime.sinks.web import TOKEN_VARIABLE, WebSink

    opened = []

    def open_at(
        address: str = "127.0.0.1:0", token: str | None = None, name: str = "front"
    ) -> Page:
        if token is None:
            monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
        else:
            monkeypatch.setenv(TOKEN_VARIABLE, token)
        vitals = Vitals(Source(), name)
        sink = WebSink(address, vitals, Annotator())

        def show(index: int, **changes: Any) -> None:
            each = frame(index, captured_ns=time.monotonic_ns() - 5_000_000)
            times = {"captured_ns": each.captured_ns, "stages_ms": {"engine": 7.0}}
            seen = replace(scene(each), **times, **changes)
            vitals.record(seen)
            sink.write(seen, each)

        opened.append(sink)
        return Page(sink, vitals, show)

    yield open_at
    for sink in opened:
        sink.close()
