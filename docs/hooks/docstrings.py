"""Docstrings as this house writes them, for mkdocstrings: fields as a table, examples as code."""

from __future__ import annotations

import re
from typing import Any

import griffe
from field_notes import split_notes

_EXAMPLE = re.compile(r"^>>> .*?(?=^\s*$|\Z)", re.MULTILINE | re.DOTALL)


class Docstrings(griffe.Extension):
    """Loaded by mkdocs.yml."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Fence the examples, which may stand anywhere."""
        if obj.docstring is not None:
            fenced = _EXAMPLE.sub(
                lambda match: f"```pycon\n{match[0].rstrip()}\n```\n", obj.docstring.value
            )
            obj.docstring.value = fenced.replace("  # doctest: +SKIP", "")

    def on_class(self, *, cls: griffe.Class, **_: Any) -> None:
        """Make a table of the fields, described or not."""
        fields = {
            name: each
            for name, each in cls.attributes.items()
            if each.annotation is not None
            and not name.startswith("_")
            and "property" not in each.labels
        }
        if cls.docstring is None or not fields:
            return
        cls.docstring.value, notes = split_notes(cls.docstring.value, fields)
        cls.docstring.parser = griffe.Parser.google
        rows = [
            griffe.DocstringAttribute(
                name,
                annotation=_plain(each.annotation),
                description=_described(notes.get(name, ""), each.value),
            )
            for name, each in fields.items()
        ]
        cls.docstring.parsed.append(griffe.DocstringSectionAttributes(rows))


def _plain(annotation: str | griffe.Expr | None) -> str | griffe.Expr | None:
    """int of Annotated[int, ...]: the tables of the schemas have the limits."""
    if isinstance(annotation, griffe.ExprSubscript) and str(annotation.left) == "Annotated":
        limits = annotation.slice
        assert isinstance(limits, griffe.ExprTuple)
        return limits.elements[0]
    return annotation


def _described(note: str, default: str | griffe.Expr | None) -> str:
    return note if default is None else f"{note} Default: `{default}`."
