"""Files that a kill leaves as they were or as they should be, never in between."""

from __future__ import annotations

from pathlib import Path


def write_whole(path: Path, data: bytes) -> None:
    """Replace what is in a file; its folder may keep a `.NAME.part` where the process is killed."""
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_bytes(data)
    temporary.replace(path)
