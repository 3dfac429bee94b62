"""What came of each of several cameras, as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

if TYPE_CHECKING:
    from edge_mtl.runtime.camera_report import CameraReport

_COUNTS = ("frames", "fps", "p50 ms", "p99 ms", "dropped", "returns", "late")


def camera_table(cameras: dict[str, CameraReport]) -> Table:
    """A row a camera: percentiles are of the age of a frame at its scene; returns are from a loss
    of the connection; late are scenes past the deadline, and frames that were left out for it."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("camera", no_wrap=True)
    for name in _COUNTS:
        table.add_column(name, justify="right")
    for name, camera in cameras.items():
        age = camera.latency.stages.get("latency")
        ages = ("", "") if age is None else (f"{age.p50_ms:.1f}", f"{age.p99_ms:.1f}")
        table.add_row(
            name if camera.failure is None else f"{name} (lost)",
            str(camera.latency.frames),
            f"{camera.latency.frames_per_second:.1f}",
            *ages,
            str(camera.health.dropped),
            str(camera.health.reconnects),
            str(camera.missed + camera.stale),
        )
    return table
