"""Numbers as people read them: three digits, and intervals to the same decimals."""

from __future__ import annotations

import math
from collections.abc import Sequence

from edge_mtl.benchmark.result import Interval

_DIGITS = 3
DASH = "\N{EN DASH}"
TOO_FEW = "too few frames"
"""In place of a percentile that no frame is expected to lie beyond."""


def decimals(value: float) -> int:
    """After the point, so that three digits are told."""
    if value == 0 or not math.isfinite(value):
        return 0
    return max(0, _DIGITS - 1 - math.floor(math.log10(abs(value))))


def number(value: float) -> str:
    """Three digits, and all digits before the point: 0.0123, 7.21, 26.4, 1310."""
    return f"{value:.{decimals(value)}f}"


def value(found: Interval | None) -> str:
    """The estimate alone."""
    return TOO_FEW if found is None else number(found.value)


def span(found: Interval) -> str:
    """From where to where: "26.1" and "26.7" around a dash, to the decimals of the estimate."""
    places = decimals(found.value)
    return f"{found.low:.{places}f}{DASH}{found.high:.{places}f}"


def with_span(found: Interval | None) -> str:
    """The estimate and, in parentheses, its interval."""
    return TOO_FEW if found is None else f"{number(found.value)} ({span(found)})"


def rough(value: float) -> str:
    """Two digits, of what is not known any better."""
    return f"{value:.{max(0, decimals(value) - 1)}f}"


def count(amount: int, thing: str) -> str:
    """ "1 frame", "12 frames"."""
    return f"{amount} {thing}{'' if amount == 1 else 's'}"


def size(amount: float) -> str:
    """A size as of an axis: 500, 20k, 1.5M."""
    for unit, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if amount >= 10 * unit or (amount >= unit and unit > 1e3):
            return f"{amount / unit:.3g}{name}"
    return f"{amount:.4g}"


def listed(names: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"; with semicolons where names have commas."""
    if len(names) > 2 and any("," in name for name in names):
        return f"{'; '.join(names[:-1])}; and {names[-1]}"
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))
