"""What was measured, a row each, in a JSON file of `benchmarks/results/`."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from edge_mtl.train.whole_file import write_whole

Row = TypeVar("Row", bound=msgspec.Struct)

RESULTS = Path(__file__).parent / "results"


def read_rows(path: Path, kind: type[Row]) -> list[Row]:
    """The rows of a file, none where it is not there yet."""
    rows = msgspec.json.decode(path.read_bytes(), type=list[Any]) if path.exists() else []
    return [msgspec.convert(row, kind) for row in rows]


def put_row(path: Path, row: Row, key: Callable[[Row], Hashable]) -> None:
    """Add a row to a file, in the place of one with the same key. The file is read anew: another
    benchmark may have added rows meanwhile."""
    others = [each for each in read_rows(path, type(row)) if key(each) != key(row)]
    path.parent.mkdir(exist_ok=True)
    write_whole(path, msgspec.json.format(msgspec.json.encode([*others, row])) + b"\n")
