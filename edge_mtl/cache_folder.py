"""What is found out once and kept for the next time, in the user's cache folder."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def cache_folder(kind: str) -> Path:
    """`edge-mtl/KIND` in XDG_CACHE_HOME, or in ~/.cache. It may not exist yet."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "edge-mtl" / kind


def keep(path: Path, data: bytes) -> None:
    """Write a file whole or not at all: another process may be reading. Where the folder cannot be
    written, nothing is kept."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
            file.write(data)
        Path(file.name).replace(path)
    except OSError:
        return
