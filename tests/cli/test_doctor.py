from __future__ import annotations

import json
import sys

import pytest
from typer.testing import CliRunner

from edge_mtl.cli import app


def test_table_and_json_agree() -> None:
    pytest.importorskip("onnxruntime", reason="the extra cpu is not installed")
    result = CliRunner().invoke(app, ["doctor", "--json", "-"])
    assert result.exit_code == 0
    data = json.loads(result.stdout)
    assert data["ready"] is True
    for finding in data["findings"]:
        assert finding["subject"] in result.stderr
        assert finding["state"] != "missing" or finding["remedy"]


def test_without_an_engine_it_fails_and_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in ("onnxruntime", "openvino", "cv2"):
        monkeypatch.setitem(sys.modules, module, None)
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 1
    assert "No engine works, so no model can run: pip install 'edge-mtl[cpu]'" in result.stdout
