"""`Histogram`: the values of an activation over many frames, and the 8-bit range that suits them.

ONNX Runtime's histogram calibraters are not used: they hold every activation of every frame until
the last one (356 MB a frame for `driving-s`, 23 GB for 64), their entropy method looks at one
candidate with its own defaults, which clips nothing, its histograms reach as far below zero as
above, where half of an unsigned range would go to waste, they print to standard output, and there
is no mean squared error among them.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

_HALF = 4096
"""Bins to each side of zero: at least 8 for each of 255 steps, however the range lies."""

_SHARES = np.linspace(1.0, 0.05, 96)
"""The parts of an extreme that are tried as the end of a range."""

Range = tuple[float, float]
"""Lowest and highest value that keep a step of their own; all beyond is clipped."""


class Histogram:
    """Counts of the values of one activation in equal bins to each side of zero, exact however far
    they reach: the reach is a power of two, and where it doubles, bins are joined in pairs.

    low, high: the extremes of all that was added; infinite before anything was.
    """

    def __init__(self) -> None:
        self.low, self.high = math.inf, -math.inf
        self._reach = 0.0
        self._counts = np.zeros(2 * _HALF, np.int64)

    def add(self, values: NDArray[np.float32], low: float, high: float) -> None:
        """values: finite, of any shape; a sample of all will do. low, high: the extremes of all."""
        self.low, self.high = min(self.low, low), max(self.high, high)
        most = max(-self.low, self.high)
        if most == 0.0:
            self._counts[_HALF] += values.size
            return
        while self._reach <= most:
            self._widen(most)
        # Scaling by a power of two is exact: a value is in the same bin whenever it is added.
        bins = np.floor(values.ravel() * np.float32(_HALF / self._reach)).astype(np.int64)
        self._counts += np.bincount(bins + _HALF, minlength=2 * _HALF)

    def _widen(self, most: float) -> None:
        if self._reach == 0.0:  # so far only zeros, which stay where they are
            self._reach = 2.0 ** math.ceil(math.log2(most))
            return
        self._reach *= 2
        joined = self._counts.reshape(-1, 2).sum(axis=1)
        self._counts = np.pad(joined, _HALF // 2)

    def percentile(self, percent: float, signed: bool) -> Range:
        """The range that holds `percent` of all values; the others are clipped, half to each side
        (signed: to either side)."""
        centres, counts = self._filled(signed)
        width, total = self._reach / _HALF, counts.sum()
        cut = (1 - percent / 100) * total
        if signed:
            most = _upper_end(centres, counts, width, cut)
            return self._within(-most, most)
        low = -_upper_end(-centres[::-1], counts[::-1], width, cut / 2)
        return self._within(low, _upper_end(centres, counts, width, cut / 2))

    def least_squares(self, signed: bool) -> Range:
        """The range whose rounding and clipping give the least mean squared error
        (Banner et al., 2019, arXiv:1810.05723, without their assumption of a distribution)."""
        centres, counts = self._filled(signed)
        if signed:
            most = max(-self.low, self.high)
            errors = [_squared_error(centres, counts, 0.0, most * s, 127) for s in _SHARES]
            best = most * _SHARES[int(np.argmin(errors))]
            return self._within(-best, best)
        low, high = lowest, highest = min(self.low, 0.0), max(self.high, 0.0)
        # One end at a time: the two meet in the step alone.
        for _ in range(2):
            errors = [_squared_error(centres, counts, low, highest * s, 255) for s in _SHARES]
            high = highest * _SHARES[int(np.argmin(errors))]
            errors = [_squared_error(centres, counts, lowest * s, high, 255) for s in _SHARES]
            low = lowest * _SHARES[int(np.argmin(errors))]
        return self._within(low, high)

    def entropy(self, signed: bool) -> Range:
        """The range whose steps tell most of the distribution: of the least Kullback-Leibler
        divergence (Migacz, 8-bit Inference with TensorRT, GTC 2017).

        Zeros, half of all values behind a ReLU, have a step of their own and do not count.
        """
        centres, counts = self._filled(signed, without_zeros=True)
        low, high = min(self.low, 0.0), max(self.high, 0.0)
        if signed:
            low, high = 0.0, max(-low, high)
        steps = 127 if signed else 255
        found = [_divergence(centres, counts, low * s, high * s, steps) for s in _SHARES]
        share = _SHARES[int(np.argmin(found))]
        return self._within(-high * share if signed else low * share, high * share)

    def _filled(
        self, signed: bool, *, without_zeros: bool = False
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """The centres of the bins that hold something, and what they hold; signed: of magnitudes.

        A bin's centre is off by half its width, which is at most a sixteenth of a step.
        """
        bins = np.arange(2 * _HALF, dtype=np.float64)
        centres: NDArray[np.float64] = (bins + 0.5) * (self._reach / _HALF) - self._reach
        counts = self._counts
        if without_zeros:
            counts = counts.copy()
            counts[_HALF] = counts[_HALF + 1]
        if signed:
            centres, counts = centres[_HALF:], counts[_HALF:] + counts[:_HALF][::-1]
        filled = counts > 0
        return centres[filled], counts[filled]

    def _within(self, low: float, high: float) -> Range:
        """No range goes beyond the extremes; all hold zero."""
        least, most = min(self.low, 0.0), max(self.high, 0.0)
        return float(np.clip(low, least, 0.0)), float(np.clip(high, 0.0, most))


def _upper_end(
    centres: NDArray[np.float64], counts: NDArray[np.int64], width: float, cut: float
) -> float:
    """The upper edge of the lowest bin above which there are at most `cut` values."""
    above = counts.sum() - np.cumsum(counts)
    return float(centres[int(np.argmax(above <= cut))] + width / 2)


def _squared_error(
    centres: NDArray[np.float64], counts: NDArray[np.int64], low: float, high: float, steps: int
) -> float:
    """The sum over all values of their squared change by `steps` steps from `low` to `high`."""
    scale = (high - low) / steps
    if not scale > 0:
        return math.inf
    zero = round(-low / scale)
    rounded = (np.clip(np.rint(centres / scale) + zero, 0, steps) - zero) * scale
    return float(((rounded - centres) ** 2 @ counts).item())


def _divergence(
    centres: NDArray[np.float64], counts: NDArray[np.int64], low: float, high: float, steps: int
) -> float:
    """How much worse the steps say how the values are distributed, in nats.

    What is clipped counts in the outermost bins of the truth, but the steps know nothing of it.
    """
    inside = (centres >= low) & (centres <= high)
    kept = counts[inside].astype(np.float64)
    if len(kept) < 2 or not high > low:
        return math.inf
    truth = kept.copy()
    truth[0] += counts[centres < low].sum()
    truth[-1] += counts[centres > high].sum()
    step = np.minimum(((centres[inside] - low) / (high - low) * steps).astype(np.int64), steps - 1)
    told = np.bincount(step, kept, steps)[step] / np.bincount(step, minlength=steps)[step]
    truth, told = truth / truth.sum(), told / told.sum()
    return float((truth * np.log(truth / told)).sum())
