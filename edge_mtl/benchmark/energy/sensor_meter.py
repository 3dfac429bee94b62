"""A meter around a function that reads a sensor."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

from edge_mtl.benchmark.sensors import SensorError


class SensorMeter:
    """An `EnergyMeter` that reads its sensor when it is asked, and where something would be missed
    between also every `every_s`, in a thread of its own.

    joules: reads the sensor and returns what was used since the first reading, which is taken here.
        It is called by one thread at a time, and raises `SensorError` where it cannot.
    release: called once, at the end.

    Raises:
        SensorError: the first reading fails; nothing is released then.
    """

    def __init__(
        self,
        name: str,
        covers: str,
        joules: Callable[[], float],
        every_s: float | None = None,
        release: Callable[[], None] = lambda: None,
    ) -> None:
        self.name = name
        self.covers = covers
        self._read = joules
        self._release = release
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._lost = ""
        joules()
        self._thread: threading.Thread | None = None
        if every_s is not None:
            self._thread = threading.Thread(
                target=self._keep_reading, args=(every_s,), name="energy meter", daemon=True
            )
            self._thread.start()

    def joules(self) -> float:
        with self._lock:
            if self._lost:
                raise SensorError(self._lost)
            try:
                return self._read()
            except SensorError as error:
                self._lost = str(error)
                raise

    def close(self) -> None:
        if self._closed.is_set():
            return
        self._closed.set()
        if self._thread is not None:
            self._thread.join()
        self._release()

    def _keep_reading(self, every_s: float) -> None:
        with contextlib.suppress(SensorError):  # whoever asks next is told
            while not self._closed.wait(every_s):
                self.joules()
