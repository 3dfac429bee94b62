"""The power of a Jetson as its own tool tells it, where the sensors themselves cannot be read."""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
import time
from collections.abc import Sequence

from edge_mtl.benchmark.energy.jetson_rails import Total, total_of
from edge_mtl.benchmark.energy.meter import EnergyMeter
from edge_mtl.benchmark.energy.power_integral import READ_EVERY_S, PowerIntegral
from edge_mtl.benchmark.sensors import SensorError

_FIRST_LINE_S = 5.0
_SILENCE_S = 5.0
_RAIL = re.compile(r"\b([A-Z][A-Z0-9_]+) (-?\d+)mW")  # "VDD_IN 5032mW/4997mW": now, and the mean


def open_tegrastats() -> EnergyMeter:
    """The integral of the board's whole power, of which tegrastats writes a line every 0.25 s.

    Raises:
        SensorError: no tegrastats here, or it does not tell the board's power.
    """
    command = shutil.which("tegrastats")
    if command is None:
        raise SensorError("no tegrastats")
    return _TegrastatsMeter([command, "--interval", f"{READ_EVERY_S * 1e3:.0f}"])


class _TegrastatsMeter:
    def __init__(self, command: Sequence[str]) -> None:
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
            )
        except OSError as error:
            raise SensorError(f"tegrastats: {command[0]}: {error.strerror}") from None
        self._lock = threading.Lock()
        self._integral = PowerIntegral()
        self._total: Total | None = None
        self._last = 0.0, 0.0  # watts, and when
        self._lost = ""
        self._first = threading.Event()
        self._thread = threading.Thread(target=self._read_lines, name="tegrastats", daemon=True)
        self._thread.start()
        self.name = f"tegrastats, every {READ_EVERY_S * 1e3:.0f} ms"
        self.covers = self._first_total().covers

    def joules(self) -> float:
        with self._lock:
            watts, at_s = self._last
            now_s = time.monotonic()
            if not self._lost and now_s - at_s > _SILENCE_S:
                self._lost = f"tegrastats: no line for {_SILENCE_S:.0f} s"
            if self._lost:
                raise SensorError(self._lost)
            return self._integral.add(watts, now_s)

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.kill()  # it keeps nothing
        self._process.wait()
        self._thread.join()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _first_total(self) -> Total:
        in_time = self._first.wait(_FIRST_LINE_S)
        if self._total is not None:
            return self._total
        self.close()
        silent = f"tegrastats: told no power within {_FIRST_LINE_S:.0f} s"
        raise SensorError(self._lost if in_time else silent)

    def _read_lines(self) -> None:
        assert self._process.stdout is not None
        line = ""
        try:
            for line in self._process.stdout:
                self._take(line)
        except SensorError as error:
            self._lose(str(error))
        self._lose(f"tegrastats ended: {line.strip()}")

    def _take(self, line: str) -> None:
        rails = {name: int(milliwatts) / 1e3 for name, milliwatts in _RAIL.findall(line)}
        if not rails:
            return  # it complains of something, and ends or goes on
        total = self._total or total_of(rails, "tegrastats")
        if not rails.keys() >= set(total.rails):
            return  # cut short
        watts = sum(max(rails[name], 0.0) for name in total.rails)
        with self._lock:
            self._last = watts, time.monotonic()
            self._integral.add(*self._last)
            self._total = total
        self._first.set()

    def _lose(self, reason: str) -> None:
        with self._lock:
            self._lost = self._lost or reason
        self._first.set()
