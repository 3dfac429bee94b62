from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from edge_mtl.benchmark.energy import ina, nvml, tegrastats

Write = Callable[[str, object], None]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file of a tree below tmp_path, as the kernel does: with a line end."""

    def write_file(path: str, value: object) -> None:
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{value}\n", encoding="ascii")

    return write_file


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The seconds of every meter, in `s`. Their threads wait for an hour, so that they read nothing
    between."""
    now = SimpleNamespace(s=0.0)
    for module in (ina, nvml, tegrastats):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now.s))
        monkeypatch.setattr(module, "READ_EVERY_S", 3600.0)
    return now
