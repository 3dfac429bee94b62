"""Every command line that the documents show is one that the program understands."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
import typer

ROOT = Path(__file__).parents[1]
PAGES = sorted((*ROOT.glob("docs/**/*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"))
OF_SHELLS = ("|", "&", "&&", ";", ">", ">>")
BadUsage: Any = typer.BadParameter.__base__


def commands_of(text: str) -> list[list[str]]:
    """What stands behind `edge-mtl` in code blocks, as a shell would split it.

    Environment variables and sudo may stand before it; where it runs in a container, or is a value
    in a file, it is left out.
    """
    blocks = re.findall(r"^```[^\n]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    found = []
    for line in "".join(blocks).replace("\\\n", " ").splitlines():
        called = re.match(r"(?:sudo )?(?:[A-Z_]+=\S*(?: -c .*)? +)*(?:\S*/)?edge-mtl (.*)", line)
        if called:
            words = shlex.split(called[1], comments=True)
            found.append(list(takewhile(lambda word: word not in OF_SHELLS, words)))
    return found


COMMANDS = [
    pytest.param(words, id=f"{page.name}: {' '.join(words)}")
    for page in PAGES
    for words in commands_of(page.read_text(encoding="utf-8"))
]


@pytest.mark.parametrize("words", COMMANDS)
def test_the_commands_of_the_documents_exist(
    words: list[str], parse_command: Callable[..., Any]
) -> None:
    parse_command(words)


def test_the_documents_show_commands() -> None:
    assert len(COMMANDS) > 30
    text = "```\nA=$(python3 -c 'b()') \\\n  edge-mtl run x --y 'a b' | jq . # z\nedge-mtl-x\n```"
    assert commands_of(text) == [["run", "x", "--y", "a b"]]


def test_a_command_that_does_not_exist_is_found(parse_command: Callable[..., Any]) -> None:
    for wrong in ("run driving-s --source 0 --wbe :8000", "bench", "run x --source 0 --rate fast"):
        with pytest.raises(BadUsage):
            parse_command(wrong.split())
