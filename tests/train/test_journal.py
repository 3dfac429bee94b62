from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from edge_mtl.errors import EdgeMtlError
from edge_mtl.extras import EXTRA_OF, explain
from edge_mtl.train.journal import Journal


def test_a_line_an_epoch_and_none_twice(tmp_path: Path) -> None:
    journal = Journal(tmp_path, 0, tensorboard=False)
    for epoch in (1, 2, 3):
        journal.append({"epoch": epoch, "loss": {"total": 1.0 / epoch}})
    journal.append({"epoch": 2, "loss": {"total": 9.0}})  # 2 and 3 had been interrupted
    journal.close()
    path = tmp_path / "metrics.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines == [{"epoch": 1, "loss": {"total": 1.0}}, {"epoch": 2, "loss": {"total": 9.0}}]
    assert path.read_text().endswith("\n")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("content", [b'{"epoch": 1}\n{"epo', b'{"loss": 1}\n', b"\xff\n", b"[1]\n"])
def test_another_or_a_damaged_file_is_refused_and_kept(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(content)
    with pytest.raises(EdgeMtlError, match=r"metrics\.jsonl: expected a line of JSON"):
        Journal(tmp_path, 0, tensorboard=False)
    assert path.read_bytes() == content


def test_tensorboard_gets_every_number_and_forgets_what_was_interrupted(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is an extra of its own")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for done, epochs in ((0, (1, 2)), (4, (2, 3))):  # the first was killed in the second epoch
        journal = Journal(tmp_path, done, tensorboard=True)
        for epoch in epochs:
            line = {"epoch": epoch, "step": 4 * epoch, "loss": {"car": done + epoch}, "name": "x"}
            journal.append(line)
        journal.close()
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert events.Tags()["scalars"] == ["epoch", "step", "loss/car"]
    found = [(each.step, each.value) for each in events.Scalars("loss/car")]
    assert found == [(4, 1.0), (8, 6.0), (12, 7.0)]


def test_a_missing_tensorboard_is_named_with_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(EXTRA_OF, "tensorboard", "tensorboard")
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    with pytest.raises(ImportError) as caught:
        Journal(tmp_path, 0, tensorboard=True)
    explained = explain(caught.value)  # as the command line does
    assert "needs tensorboard" in str(explained)
    assert "edge-mtl[tensorboard]" in str(explained)
