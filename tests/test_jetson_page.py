"""The messages that docs/jetson.md explains are those of the program."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from edge_mtl.extras import explain

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "jetson.md").read_text(encoding="utf-8")
ROWS = [
    line.strip("| ").split(" | ")
    for line in PAGE[PAGE.index("## What may go wrong") :].splitlines()
    if line.startswith("| `")
]
OURS = [message for message, _ in ROWS if not message.endswith("(NVIDIA's)")]


def texts_of(tree: ast.AST) -> list[str]:
    """Every string of a module; what an f-string fills in is left out."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = [part.value for part in node.values if isinstance(part, ast.Constant)]
            found += map(str, parts)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.append(node.value)
    return found


@pytest.fixture(scope="module")
def program() -> str:
    """Every text of the program."""
    paths = (*(ROOT / "edge_mtl").rglob("*.py"), *(ROOT / "export").rglob("*.py"))
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in paths)
    return "\0".join(text for tree in trees for text in texts_of(tree))


def fragments(message: str) -> list[str]:
    """A message without what it fills in, which the page writes as dots."""
    [shown, *_] = re.findall(r"`(.*?)`", message)
    return [each.strip(" :,;") for each in shown.split("...") if each.strip(" :,;()")]


@pytest.mark.parametrize("message", [each for each in OURS if "this needs" not in each])
def test_the_messages_are_the_programs(message: str, program: str) -> None:
    assert [each for each in fragments(message) if each not in program] == []


def test_what_is_missing_on_a_jetson_is_named_as_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "exists", lambda self: True)  # /etc/nv_tegra_release
    shown = [message.strip("`") for message in OURS if "this needs" in message]
    assert shown == [
        str(explain(ModuleNotFoundError("no", name=name))) for name in ("tensorrt", "cv2")
    ]


def test_the_page_explains_messages_and_another_one_is_found(program: str) -> None:
    assert len(OURS) > 9
    assert fragments("`a ... that (...): b` c") == ["a", "that (", "): b"]
    assert "is there but cannot be closed" not in program
