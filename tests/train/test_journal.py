from __future__ import annotations

import json
from pathlib import Path

from edge_mtl.train.journal import append_epoch


def test_a_line_an_epoch_and_none_twice(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    for epoch in (1, 2, 3):
        append_epoch(path, {"epoch": epoch, "loss": {"total": 1.0 / epoch}})
    append_epoch(path, {"epoch": 2, "loss": {"total": 9.0}})  # 2 and 3 had been interrupted
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines == [{"epoch": 1, "loss": {"total": 1.0}}, {"epoch": 2, "loss": {"total": 9.0}}]
    assert path.read_text().endswith("\n")
    assert list(tmp_path.iterdir()) == [path]
