"""The reference of the command line, from the program itself: every command and option."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any

import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page

from edge_mtl import cli

PAGE = "reference/command-line.md"
MARK = "<!-- every command, from the program -->"


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Put the commands in the place of the mark."""
    if page.file.src_uri != PAGE:
        return markdown
    return markdown.replace(MARK, "\n".join(reference()))


def reference() -> Iterator[str]:
    """The settings of the program and a section a command, line by line in Markdown."""
    group: Any = typer.main.get_command(cli.app)
    context = group.make_context("edge-mtl", [], resilient_parsing=True)
    yield from _section("Settings", group, context, "edge-mtl [SETTINGS] COMMAND ...")
    for name, (_, line) in cli.COMMANDS.items():
        _, command, _ = group.resolve_command(context, [name])
        inner = type(context)(command, parent=context, info_name=name)
        usage = " ".join(command.collect_usage_pieces(inner))
        yield from _section(name, command, inner, f"edge-mtl {name} {usage}", line)


def _section(title: str, command: Any, context: Any, usage: str, line: str = "") -> Iterator[str]:
    yield from (f"## {title}", "", line, "", "```text", usage, "```", "")
    for kind, heading in (("argument", "Argument"), ("option", "Option")):
        rows = [
            each.get_help_record(context)
            for each in command.get_params(context)
            if each.param_type_name == kind and not each.hidden and each.name != "help"
        ]
        if rows:
            yield from (f"| {heading} | |", "|---|---|")
            yield from (f"| {_code(name)} | {_cell(text)} |" for name, text in rows)
            yield ""


def _code(text: str) -> str:
    return ", ".join(f"`{each}`" for each in text.split(", "))


def _cell(text: str) -> str:
    plain = re.sub(r"([*|])", r"\\\1", html.escape(text, quote=False)).replace("  [", " [")
    return re.sub(r"(?<!\S)--[a-z-]+", r"`\g<0>`", plain)
