"""What the site says of the program is what the program says."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer

from edge_mtl import cli

ROOT = Path(__file__).parents[2]
Hook = Callable[[str], ModuleType]


def test_every_option_of_every_command_is_in_the_reference(hook: Hook) -> None:
    text = "\n".join(hook("command_line").reference())
    sections = dict(re.findall(r"^## (\S+)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    assert set(sections) == {"Settings", *cli.COMMANDS}
    group: Any = typer.main.get_command(cli.app)
    context = group.make_context("edge-mtl", [], resilient_parsing=True)
    for name, (_, line) in cli.COMMANDS.items():
        _, command, _ = group.resolve_command(context, [name])
        assert line in sections[name]
        for parameter in command.params:
            if parameter.param_type_name == "option":
                for flag in parameter.opts:
                    assert re.search(rf"`{flag}\b.*` \| \S", sections[name]), f"{name} {flag}"
    assert "EDGE_MTL_LOG_FORMAT" in sections["Settings"]


def test_a_table_of_options_has_two_columns(hook: Hook) -> None:
    """A bar or an angle bracket in a help text would break it."""
    rows = [line for line in hook("command_line").reference() if line.startswith("| `")]
    assert len(rows) > 100
    for row in rows:
        outside = re.sub(r"`[^`]*`", "", row)
        assert len(re.findall(r"(?<!\\)\|", outside)) == 3, row
        assert "<" not in outside, row


SCHEMAS = sorted((ROOT / "edge_mtl").rglob("*.schema.json"))


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda path: path.name)
def test_every_field_of_a_schema_has_a_row_and_every_link_a_section(hook: Hook, path: Path) -> None:
    schema = json.loads(path.read_text(encoding="utf-8"))
    text = "\n".join(hook("schema_tables").reference(schema))
    for name, kind in schema["$defs"].items():
        [section] = re.findall(rf"^## {name}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
        rows = re.findall(r"^\| `(\w+)` \| (.+?) \| ", section, re.MULTILINE)
        assert [row for row, _ in rows] == list(kind["properties"])
        assert all(shown != "anything" for _, shown in rows)
    linked = set(re.findall(r"\]\(#(\w+)\)", text))
    assert linked <= {name.lower() for name in schema["$defs"]}


def test_every_schema_is_on_a_page() -> None:
    pages = [page.read_text(encoding="utf-8") for page in (ROOT / "docs/reference").glob("*.md")]
    for path in SCHEMAS:
        mark = f"<!-- every field, from {path.relative_to(ROOT)} -->"
        assert sum(mark in page for page in pages) == 1, mark


DOCSTRING = """A thing.

    It has a size: large.

    width, height: in pixels. depth: of what
        is in it; 0 for nothing.
    rate: hertz; late: scenes.
    """


def test_what_a_docstring_says_of_fields(hook: Hook) -> None:
    split = hook("field_notes").split_notes
    prose, notes = split(DOCSTRING, ("width", "height", "depth", "rate", "late"))
    assert prose == "A thing.\n\nIt has a size: large."
    assert notes == {
        "width": "in pixels.",
        "height": "in pixels.",
        "depth": "of what is in it; 0 for nothing.",
        "rate": "hertz",
        "late": "scenes.",
    }
    assert split("No fields: none.", ()) == ("No fields: none.", {})


def test_fields_become_a_table_and_examples_code(hook: Hook, tmp_path: Path) -> None:
    import griffe

    (tmp_path / "made.py").write_text(
        'from typing import Annotated\nclass A:\n    """One.\n\n    x: across.\n\n'
        '    >>> A()  # doctest: +SKIP\n    1\n    """\n\n'
        "    x: Annotated[int, 5] = 3\n    y: str\n    _z: int\n"
    )
    extensions = griffe.load_extensions(hook("docstrings").Docstrings())
    made = griffe.load("made", search_paths=[tmp_path], extensions=extensions)
    docstring = made["A"].docstring
    assert docstring is not None
    assert docstring.value == "One.\n\n```pycon\n>>> A()\n1\n```"
    table = docstring.parsed[-1]
    assert isinstance(table, griffe.DocstringSectionAttributes)
    assert [(each.name, str(each.annotation), each.description) for each in table.value] == [
        ("x", "int", "across. Default: `3`."),
        ("y", "str", ""),
    ]


def test_links_out_of_the_documents_lead_to_pages_of_the_site(hook: Hook) -> None:
    linked = hook("repository_files").linked
    page = (
        "[a](../LICENSE) [b](../edge_mtl/zoo/driving-s.md#limits) [c](export.md)\n"
        "```\n[d](../LICENSE)\n```\n[e](https://a.b/c) [f](#here) [g](../no-such-file)"
    )
    assert linked(page, "docs/sub/x.md", "sub/x.md") == page
    assert linked(page, "docs/x.md", "x.md") == (
        "[a](files/LICENSE.md) [b](models/driving-s.md#limits) [c](export.md)\n"
        "```\n[d](../LICENSE)\n```\n[e](https://a.b/c) [f](#here) [g](../no-such-file)"
    )
    assert linked("[r](docs/a.md) [r](docs/export.md)", "README.md", "overview.md") == (
        "[r](docs/a.md) [r](export.md)"
    )
