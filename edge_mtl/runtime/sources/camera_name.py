"""The names by which the scenes of several cameras are told apart."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from edge_mtl.errors import UsageError
from edge_mtl.runtime.sources.address import masked, split_options

_LONGEST = 40
_OPTION = "name="


def split_name(text: str) -> tuple[str, str | None]:
    """What `--source` names without its option `name`, and that option; None where it has none.

    Raises:
        UsageError: the name does not fit into one of a file.
    """
    address, options = split_options(text)
    pairs = options.split(",")
    name = next((pair[len(_OPTION) :] for pair in pairs if pair.startswith(_OPTION)), None)
    if name is None:
        return text, None
    if re.fullmatch(r"\w[\w.-]*", name) is None:
        raise UsageError(
            f"{masked(address)}: expected a name of letters, digits, '.', '_' and '-', as in "
            f"name=front, found {name!r}"
        )
    rest = ",".join(pair for pair in pairs if not pair.startswith(_OPTION))
    return (f"{address}#{rest}" if rest else address), name


def names_of(texts: Sequence[str]) -> list[str]:
    """A name for each of what `--source` names: the one that it says, or one made of its address.

    Of a file it is the stem, of another address its letters and digits; those that would be equal
    are numbered.

    Raises:
        UsageError: two have the same name, or one does not fit into one of a file.
    """
    said = [split_name(text)[1] for text in texts]
    given = [name for name in said if name is not None]
    for name in given:
        if given.count(name) > 1:
            raise UsageError(f"two sources are called {name!r}; give each a name of its own")
    names: list[str] = []
    for text, own in zip(texts, said, strict=True):
        made = _made_of(text)
        name, number = own or made, 1
        while own is None and name in (*names, *given):
            number += 1
            name = f"{made}-{number}"
        names.append(name)
    return names


def _made_of(text: str) -> str:
    address = split_options(text)[0]
    if Path(address).exists():
        address = Path(address).stem
    else:
        address = re.sub(r"^\w+:/*(\*\*\*@)?", "", masked(address)) or address
    plain = re.sub(r"[^\w.]+", "-", address).strip("-.")[:_LONGEST]
    return f"camera-{plain}" if not plain or plain.isdecimal() else plain
