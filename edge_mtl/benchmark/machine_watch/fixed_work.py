"""A piece of work that is always the same, to notice that the machine got slower."""

from __future__ import annotations

import hashlib
import time

import numpy as np

_PIECE_S = 3e-4
_PIECES = 3


class FixedWork:
    """SHA-256 over and over in one thread: it fits into the registers and the first cache, so its
    time goes with the clock of the core and with nothing else, unless others have the core. The
    interpreter lock is released.

    The number of rounds is chosen here, so that a piece takes some 0.3 ms on this machine.
    """

    def __init__(self) -> None:
        self._rounds = 100
        self._rounds = max(1, int(self._rounds * _PIECE_S / self._best_of(_PIECES)))
        self._seconds: list[float] = []

    def do(self) -> None:
        """Do it some times and note the shortest, so that one interruption does not count."""
        self._seconds.append(self._best_of(_PIECES))

    def speeds(self) -> tuple[float, float]:
        """The best time over the median and over the 95th percentile: 1 where all are alike."""
        p50, p95 = np.percentile(self._seconds, (50, 95)).tolist()
        best = min(self._seconds)
        return best / p50, best / p95

    def _best_of(self, pieces: int) -> float:
        return min(self._piece() for _ in range(pieces))

    def _piece(self) -> float:
        started = time.perf_counter()
        hashlib.pbkdf2_hmac(
            "sha256", b"fixed", b"work", self._rounds
        )  # without the interpreter lock
        return time.perf_counter() - started
