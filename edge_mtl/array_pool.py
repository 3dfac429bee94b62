"""Arrays that are used again as soon as nobody holds them any more."""

from __future__ import annotations

import sys
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Generic, TypeVar

from numpy.typing import NDArray

Taken = TypeVar("Taken")


class ArrayPool(Generic[Taken]):
    """Spares a stream the allocation of every frame, which for large arrays costs page faults.

    Whoever has an array of the pool, or a view of one, owns it for as long as he keeps it: what is
    given out again is only what no reference leads to but the pool's own. One thread uses a pool;
    arrays may be let go in any.

    Args:
        arrays: those of what is taken, which may be one array or hold several.
        most: how many are remembered; more may be in use at a time.
    """

    def __init__(self, arrays: Callable[[Taken], Sequence[NDArray[Any]]], most: int = 8) -> None:
        self._arrays = arrays
        self._most = most
        self._entries: list[_Entry[Taken]] = []

    def take(self, key: Hashable, make: Callable[[], Taken]) -> Taken:
        """What was taken with an equal key before and let go since, with whatever is in it; else
        what `make` makes."""
        for entry in self._entries:
            if entry.key == key and entry.references() == entry.alone:
                return entry.taken
        entry = _Entry(key, make(), self._arrays)
        # As the interpreter at hand counts where only the pool has the arrays.
        entry.alone = entry.references()
        if len(self._entries) == self._most:
            # The oldest: after a change of resolution those of the old size go first.
            del self._entries[0]
        self._entries.append(entry)
        return entry.taken


class _Entry(Generic[Taken]):
    def __init__(
        self, key: Hashable, taken: Taken, arrays: Callable[[Taken], Sequence[NDArray[Any]]]
    ) -> None:
        self.key = key
        self.taken = taken
        self.alone = 0
        self._arrays = tuple(arrays(taken))

    def references(self) -> int:
        return sum(map(sys.getrefcount, self._arrays))
