"""Tables of the JSON Schemas that the package carries, in the place of a mark on a page."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from field_notes import split_notes
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
_MARK = re.compile(r"^<!-- every field, from (\S+) -->$", re.MULTILINE)


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Put the tables of a schema of the repository in the place of its mark."""

    def tables(mark: re.Match[str]) -> str:
        return "\n".join(reference(json.loads((ROOT / mark[1]).read_text(encoding="utf-8"))))

    return _MARK.sub(tables, markdown)


def reference(schema: dict[str, Any]) -> Iterator[str]:
    """A section for each type of a schema, the outermost first, line by line in Markdown."""
    for name, kind in schema["$defs"].items():
        fields = kind["properties"]
        prose, notes = split_notes(kind.get("description", ""), fields)
        yield from (f"## {name}", "", prose, "", "| field | type | |", "|---|---|---|")
        for field, value in fields.items():
            told = [value.get("description") or notes.get(field, "")]
            if field not in kind.get("required", ()):
                told.append(f"Default: `{json.dumps(value['default'])}`.")
            yield f"| `{field}` | {_type(value)} | {_cell(' '.join(filter(None, told)))} |"
        yield ""


def _type(value: dict[str, Any]) -> str:
    """In words, with links to the sections of other types."""
    if "$ref" in value:
        name = value["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in value:
        return " or ".join(_type(each) for each in value["anyOf"])
    if "enum" in value:
        return " or ".join(f"`{json.dumps(each)}`" for each in value["enum"])
    if "prefixItems" in value:
        return f"[{', '.join(_type(each) for each in value['prefixItems'])}]"
    if value.get("type") == "array":
        return f"list of {_type(value['items'])}"
    if "additionalProperties" in value:
        return f"by name, {_type(value['additionalProperties'])}"
    return str(value.get("type", "anything")) + _limits(value)


def _limits(value: dict[str, Any]) -> str:
    if "pattern" in value:
        return f", `{value['pattern']}`"
    words = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to"}
    return "".join(f" {word} {value[key]:g}" for key, word in words.items() if key in value)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
