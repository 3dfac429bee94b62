"""`ProposedTask`: a guess at one task of a network, as lines of a spec.toml."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Output:
    """What an output holds for two pictures.

    chosen_from: what an ArgMax, of which this is the result, has read.
    """

    name: str
    value: NDArray[Any]
    again: NDArray[Any]
    chosen_from: Output | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape

    @property
    def solid(self) -> tuple[int, ...]:
        """The shape without ones."""
        return tuple(n for n in self.shape if n != 1)


@dataclass(slots=True)
class ProposedTask:
    """A table `[[tasks]]`, and its lines of `[import.outputs]`.

    fields: each a line of TOML. remarks: comments before them.
    """

    type: str
    name: str
    classes: Sequence[str]
    fields: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    named: bool = False

    def lines(self) -> list[str]:
        head = ["[[tasks]]", f'type = "{self.type}"', f'name = "{self.name}"']
        remarks = [f"# {remark}" for remark in self.remarks]
        if not self.named:
            remarks.append("# give the classes their names, in the order of the network's channels")
        classes = f"classes = {json.dumps(list(self.classes), ensure_ascii=False)}"
        return [head[0], *remarks, *head[1:], classes, *self.fields]


class TaskNames:
    """Task names that the spec takes, each once."""

    def __init__(self) -> None:
        self._given: set[str] = set()

    def __call__(self, wanted: str, usual: str) -> str:
        name = "".join(c if c.isascii() and c.isalnum() else "_" for c in wanted.lower()).strip("_")
        if not name or not name[0].isalpha() or name.startswith(("output", "t_")):
            name = usual
        free, count = name, 1
        while free in self._given or free in (
            "image",
            "data",
            "engine",
            "frames",
            "model",
            "split",
        ):
            count += 1
            free = f"{name}_{count}"
        self._given.add(free)
        return free


def class_names(names: Sequence[str], count: int) -> tuple[tuple[str, ...], bool]:
    """The noted names where they are as many, else numbers."""
    if len(names) == count and len(set(names)) == count:
        return tuple(names), True
    return tuple(f"class_{i}" for i in range(count)), False
