"""`WebServer`: the page, its live data, health and metrics, in a thread of its own."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from edge_mtl.errors import EdgeMtlError, UsageError
from edge_mtl.runtime.sinks.web.access import Access, check_token
from edge_mtl.runtime.sinks.web.feed import Feed, Viewer
from edge_mtl.runtime.sinks.web.metrics import exposition

_PAGE = Path(__file__).with_name("page")
_FILES = {
    "/": ("index.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
    "/overlay.js": ("overlay.js", "text/javascript"),
    "/chart.js": ("chart.js", "text/javascript"),
}
_STATUS_S = 0.5
"""How often a page hears of the camera while no frame comes."""
_FAREWELL_S = 1
_BOUNDARY = "edge-mtl-frame"


class Wish(msgspec.Struct, frozen=True):
    """What a page asks for: the next frame, with masks where it shows them."""

    masks: bool = False


def parse_address(text: str) -> tuple[str, int]:
    """Host and port of HOST:PORT, :PORT (of the loopback) or [IPv6]:PORT.

    Raises:
        UsageError: the text is none of these.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise UsageError(f"--web {text}: expected HOST:PORT, as in 127.0.0.1:8000")
    return host.strip("[]") or "127.0.0.1", int(port)


class WebServer:
    """Serves the cameras of one address. Made by `at`, and stopped with its last camera."""

    _running: dict[tuple[str, int], WebServer] = {}  # noqa: RUF012 - a port belongs to the process
    _lock = threading.Lock()

    def __init__(self, host: str, port: int, token: str | None) -> None:
        check_token(host, token)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            self._socket = socket.create_server((host, port), family=family)
        except OSError as error:
            raise EdgeMtlError(
                f"--web {host}:{port}: expected an address that is free, found: {error.strerror}; "
                "choose another port"
            ) from None
        bound = f"[{host}]" if ":" in host else host
        self.url = f"http://{bound}:{self._socket.getsockname()[1]}/"
        self._key = host, port
        self._feeds: dict[str, Feed] = {}
        started = threading.Event()

        @contextlib.asynccontextmanager
        async def lifespan(_: Starlette) -> AsyncIterator[None]:
            started.set()
            yield

        app = Starlette(
            routes=[
                *(Route(path, self._file) for path in _FILES),
                Route("/cameras", self._cameras),
                Route("/mjpeg", self._mjpeg),
                Route("/metrics", self._metrics),
                Route("/healthz", self._healthz),
                Route("/readyz", self._readyz),
                WebSocketRoute("/live", self._live),
            ],
            middleware=[Middleware(Access, token=token)],
            lifespan=lifespan,
        )
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                access_log=False,  # it would hold the token of an address
                log_level="error",
                log_config=None,  # errors go where all others go
                ws="websockets-sansio",
                ws_max_size=4096,
                timeout_graceful_shutdown=_FAREWELL_S,
                server_header=False,
            )
        )
        self._thread = threading.Thread(
            target=self._server.run, args=([self._socket],), name="web server", daemon=True
        )
        self._thread.start()
        if not started.wait(10):
            raise EdgeMtlError(f"{self.url}: the web server does not start; --debug shows why")

    @classmethod
    def at(cls, host: str, port: int, token: str | None) -> WebServer:
        """The server of an address: the one that runs, or a new one.

        Raises:
            UsageError: a token is missing or too short.
            EdgeMtlError: the address cannot be bound.
        """
        with cls._lock:
            server = cls._running.get((host, port))
            if server is None:
                server = cls(host, port, token)
                if port:
                    cls._running[host, port] = server
            return server

    def add(self, feed: Feed) -> None:
        """Show a camera."""
        self._feeds = {**self._feeds, feed.camera: feed}

    def remove(self, feed: Feed) -> None:
        """Show a camera no longer; without any the server stops."""
        with self._lock:
            self._feeds = {name: each for name, each in self._feeds.items() if each is not feed}
            if self._feeds:
                return
            self._running.pop(self._key, None)
        self._server.should_exit = True
        self._thread.join(3 * _FAREWELL_S)
        self._socket.close()

    async def _file(self, request: Request) -> Response:
        name, media_type = _FILES[request.url.path]
        return FileResponse(_PAGE / name, media_type=media_type)

    async def _cameras(self, _: Request) -> Response:
        return JSONResponse([feed.vitals.to_json() for feed in self._feeds.values()])

    async def _healthz(self, _: Request) -> Response:
        return JSONResponse({"alive": True})

    async def _readyz(self, _: Request) -> Response:
        flowing = {name: feed.vitals.flowing for name, feed in self._feeds.items()}
        ready = bool(flowing) and all(flowing.values())
        return JSONResponse({"ready": ready, "cameras": flowing}, 200 if ready else 503)

    async def _metrics(self, _: Request) -> Response:
        feeds = self._feeds.values()
        text = exposition(lambda: [feed.vitals for feed in feeds])
        return Response(text, media_type=CONTENT_TYPE_LATEST)

    def _feed(self, query: Any) -> Feed | None:
        """The camera that was asked for, or the first one."""
        name = query.get("camera")
        return self._feeds.get(name) if name else next(iter(self._feeds.values()), None)

    async def _mjpeg(self, request: Request) -> Response:
        feed = self._feed(request.query_params)
        if feed is None:
            return JSONResponse({"error": "no such camera"}, 404)
        media_type = f"multipart/x-mixed-replace; boundary={_BOUNDARY}"
        return StreamingResponse(self._pictures(feed), media_type=media_type)

    async def _pictures(self, feed: Feed) -> AsyncIterator[bytes]:
        viewer, number = Viewer(draws=False), 0
        feed.watch(viewer)
        try:
            while not self._server.should_exit:
                message = await feed.after(number, _STATUS_S)
                if message is None or not message.drawn:
                    number = number if message is None else message.number
                    continue
                number = message.number
                size = len(message.drawn)
                head = (
                    f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {size}\r\n\r\n"
                )
                yield head.encode() + message.drawn + b"\r\n"
        finally:
            feed.leave(viewer)

    async def _live(self, page: WebSocket) -> None:
        """A page asks for each frame, and so gets no more than it can show."""
        feed = self._feed(page.query_params)
        if feed is None:
            await page.close(4404, "no such camera")
            return
        await page.accept()
        viewer, number = Viewer(draws=True), 0
        try:
            while True:
                wish = msgspec.json.decode(await page.receive_text(), type=Wish)
                viewer.masks = wish.masks
                feed.watch(viewer)
                while True:
                    message = await feed.after(number, _STATUS_S)
                    if message is not None:
                        number = message.number
                        if message.packed:
                            await page.send_bytes(message.packed)
                            break
                    elif self._feeds.get(feed.camera) is not feed:
                        await page.close(1001, "the camera has gone")
                        return
                    await page.send_json(feed.vitals.to_json())
        except (WebSocketDisconnect, msgspec.MsgspecError, OSError):
            pass  # it has left, or is none of ours
        finally:
            feed.leave(viewer)
