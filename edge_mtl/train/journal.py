"""`metrics.jsonl`: what every epoch of a run came to, a line of JSON an epoch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec


def append_epoch(path: Path, line: dict[str, Any]) -> None:
    """Add the line of an epoch, its number under "epoch"; the file is replaced as a whole.

    Lines of the same or a later epoch go: an interrupted run left them and makes them again.
    """
    kept = path.read_bytes().splitlines() if path.exists() else []
    earlier = [each for each in kept if msgspec.json.decode(each)["epoch"] < line["epoch"]]
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_bytes(b"\n".join([*earlier, msgspec.json.encode(line)]) + b"\n")
    temporary.replace(path)
