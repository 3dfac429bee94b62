from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

Write = Callable[[str, object], None]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file of a tree below tmp_path, as the kernel does: with a line end."""

    def write_file(path: str, value: object) -> None:
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{value}\n", encoding="ascii")

    return write_file
