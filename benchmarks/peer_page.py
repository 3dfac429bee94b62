"""Puts what `bench_peers.py` found into docs/peers.md, and the rows that matter most into README.

    EDGE_MTL_DATA=DIR make bench-peers

A test compares both pages with the file.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import peer_rows
import rows
import typer
from marked_part import replaced
from peer_rows import Row

from edge_mtl.train.whole_file import write_whole

ROOT = Path(__file__).parents[1]
PAGE, README = ROOT / "docs/peers.md", ROOT / "README.md"
IN_README = (
    "edge-mtl INT8, OpenVINO",
    "OpenVINO INT8, OpenCV",
    "OpenVINO INT8, head in the graph",
    "ONNX Runtime INT8, OpenCV",
    "ONNX Runtime FP32, OpenCV",
    "PyTorch compiled",
    "PyTorch eager",
)


def command() -> None:
    found = rows.read_rows(peer_rows.RESULTS, Row)
    for path, fill in ((PAGE, with_tables), (README, with_short_table)):
        write_whole(path, fill(path.read_text(encoding="utf-8"), found).encode())


def with_tables(page: str, found: Sequence[Row]) -> str:
    return replaced(page, "peers", ["", peer_rows.markdown(found), ""])


def with_short_table(page: str, found: Sequence[Row]) -> str:
    return replaced(page, "peers", ["", peer_rows.short(found, IN_README), ""])


if __name__ == "__main__":
    typer.run(command)
