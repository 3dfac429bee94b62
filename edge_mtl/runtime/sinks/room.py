"""Whether a disk has room, for writers that do not say when it has not."""

from __future__ import annotations

import os
from pathlib import Path

from edge_mtl.errors import EdgeMtlError

ROOM_BYTES = 8 * 2**20
"""What is left free: the index of an .mp4 is written last, a video without one is lost. It takes
about 20 bytes a frame: this is enough for four hours at 30 frames/s."""


def check_room(path: Path) -> None:
    """Raise where the disk that holds `path`, which exists, has less than `ROOM_BYTES` left.

    Raises:
        EdgeMtlError: it has less.
    """
    disk = os.statvfs(path)
    free = disk.f_bavail * disk.f_frsize
    if free < ROOM_BYTES:
        raise EdgeMtlError(
            f"{path}: expected {ROOM_BYTES / 1e6:.0f} MB free on its disk, found "
            f"{free / 1e6:.1f} MB; make room, or keep less with --segment-mb and --segments"
        )
