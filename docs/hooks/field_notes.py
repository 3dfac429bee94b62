"""What docstrings say of fields: "stride: of the output. rows, columns: of its grid."

Our classes describe their fields in a paragraph of their own, `name: what it is`, several on a line
where they are short.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Collection


def split_notes(docstring: str, fields: Collection[str]) -> tuple[str, dict[str, str]]:
    """A docstring without what it says of fields, and that by field."""
    if not fields:
        return docstring, {}
    name = f"(?:{'|'.join(sorted(map(re.escape, fields), key=len, reverse=True))})"
    begin = re.compile(rf"(?:^|(?<=[.;]\s))({name}(?:, {name})*): ", re.MULTILINE)
    prose, notes = [], {}
    for paragraph in inspect.cleandoc(docstring).split("\n\n"):
        if not begin.match(paragraph):
            prose.append(paragraph)
            continue
        _, *parts = begin.split(paragraph)
        for names, text in zip(parts[::2], parts[1::2], strict=True):
            told = " ".join(text.split()).removesuffix(";")
            notes.update(dict.fromkeys(names.split(", "), told))
    return "\n\n".join(prose), notes
