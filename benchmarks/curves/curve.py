"""Curves with sentences on where they become the limit, all computed from fits."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from curves.fit import Fit
from edge_mtl.benchmark.result import Curve, Interval

FRAME_MS = 1e3 / 30
"""What a camera of 30 Hz leaves for a frame."""


def curves_of(
    quantity: str, fits: Mapping[str, Fit], baseline: float, wall: str, where: str = ""
) -> list[Curve]:
    """A curve a part. where: what stands behind its name, such as ", openvino"."""
    return [
        Curve(
            what=part + where,
            quantity=quantity,
            points=each.points,
            baseline=baseline,
            exponent=each.exponent,
            scale=each.scale,
            fixed_ms=each.fixed_ms,
            wall=wall,
        )
        for part, each in fits.items()
    ]


def rounded(size: float) -> str:
    """With three digits, such as 1,220."""
    return f"{float(f'{size:.3g}'):,.10g}"


def told(size: Interval, measured: Fit, form: Callable[[float], str] = rounded) -> str:
    """A size at which something happens, how sure it is, and whether it was measured."""
    sure = f"{form(size.low)} to {form(size.high)}" if size.high < 1e300 else "or never"
    sizes = [point.x for point in measured.points]
    beyond = "" if min(sizes) <= size.value <= max(sizes) else "; beyond what was measured"
    return f"{form(size.value)} ({sure}{beyond})"
