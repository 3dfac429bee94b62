"""The web page: the live picture with its overlays, latencies and health, and metrics."""

from __future__ import annotations

import logging
import os

from edge_mtl.runtime.draw import Annotator
from edge_mtl.runtime.sinks.web.feed import Feed
from edge_mtl.runtime.sinks.web.server import WebServer, parse_address
from edge_mtl.runtime.sources import Frame
from edge_mtl.runtime.vitals import Vitals
from edge_mtl.scene import Scene

_log = logging.getLogger(__name__)

TOKEN_VARIABLE = "EDGE_MTL_WEB_TOKEN"
"""Of the environment, which other users of the machine do not see, as they do a command line."""


class WebSink:
    """Shows the scenes of one camera on a web page; several cameras may share an address.

    Frames are encoded only while somebody watches.

    Args:
        address: HOST:PORT. Where HOST is not of the loopback, `EDGE_MTL_WEB_TOKEN` has to be set,
            and whoever looks has to know it.
        vitals: how the stream does, for the page, its metrics and its health.

    Raises:
        UsageError: the address is none, or a token is missing or too short.
        EdgeMtlError: the address cannot be bound.
    """

    def __init__(self, address: str, vitals: Vitals, annotate: Annotator) -> None:
        host, port = parse_address(address)
        self._server = WebServer.at(host, port, os.environ.get(TOKEN_VARIABLE))
        self._feed = Feed(vitals, annotate)
        self._server.add(self._feed)
        fields = {"camera": vitals.camera, "url": self._server.url}
        _log.info("%s is shown at %s", vitals.camera, self._server.url, extra=fields)

    def write(self, scene: Scene, frame: Frame) -> None:
        """Show the newest scene to everybody who watches."""
        self._feed.publish(scene, frame)

    def close(self) -> None:
        """Take the camera off the page; the server stops with its last one."""
        self._server.remove(self._feed)
