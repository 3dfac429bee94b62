from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from edge_mtl.cli import app

BUNDLE = "never.emtl"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--device", "rtx-4009"], "unknown device 'rtx-4009'; did you mean 'rtx-4090'?"),
        (["--batch", "4:1:8"], "expected 1 <= least <= best <= most"),
        (["--build", "refitt=true"], "--build: unknown key 'refitt'; did you mean 'refit'?"),
        (["--build", "dla_core=9"], "--build: Expected `int` <= 7"),
        (["--rebuild", "--degrade", "half_resolution"], "keeps target, precision and lighter"),
        (["--batch", "2"], "target 'cpu' builds no engine, so it takes no batch; leave it out"),
    ],
)
def test_what_is_asked_of_an_engine_is_checked_before_any_work(
    arguments: list[str], said: str, tmp_path: Path
) -> None:
    bundle = tmp_path / BUNDLE
    result = CliRunner().invoke(app, ["export", "driving-s", "-o", str(bundle), *arguments])
    assert result.exit_code == 2
    assert said in result.stderr
    assert not bundle.exists()
