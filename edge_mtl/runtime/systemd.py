"""Tells systemd how a service does: the datagrams of sd_notify(3), without its library."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Mapping

_log = logging.getLogger(__name__)


class Notifier:
    """Says READY=1 at the first frame, WATCHDOG=1 at later signs of life, STOPPING=1 at the end.

    Says nothing where the process is no service of `Type=notify`. Of the signs of life only as many
    are sent as `WatchdogSec=` needs. One that cannot be sent is logged once and hurts nobody.

    Args:
        environment: `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID` as systemd sets them.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        # An abstract address, which begins with a zero byte, is written with an @.
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        watched = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        watchdog_us = int(environment.get("WATCHDOG_USEC", "0")) if watched else 0
        self._period_s = watchdog_us / 1e6 / 4 or None
        self._said_s: float | None = None
        self._failed = False

    def alive(self) -> None:
        """Something works: a frame came through. May be called as often as one likes."""
        if self._said_s is None:
            self._tell("READY=1")
            self._said_s = time.monotonic()
        else:
            self.waiting()

    def waiting(self) -> None:
        """Nothing comes, as of a camera that is connected again, and nothing hangs. May be called
        as often as one likes; before the first frame it says nothing."""
        if self._said_s is None or self._period_s is None:
            return
        now_s = time.monotonic()
        if now_s - self._said_s >= self._period_s:
            self._tell("WATCHDOG=1")
            self._said_s = now_s

    def stopping(self) -> None:
        """The end has begun, and is no failure."""
        self._tell("STOPPING=1")

    def _tell(self, state: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.setblocking(False)
                sender.sendto(state.encode(), self._address)
        except OSError as error:
            if not self._failed:
                self._failed = True
                _log.warning("systemd does not hear that %s: %s", state, error)
