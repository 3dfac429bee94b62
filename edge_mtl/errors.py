"""Errors that a user can act on.

Every message is one line that says what was expected, what was found and what to do. The command
line prints it without a traceback and exits with `exit_code`; anything else that escapes is a bug.
"""

from __future__ import annotations

from collections.abc import Iterable


class EdgeMtlError(Exception):
    """Something outside the program went wrong: a file, a camera, a network that does not fit."""

    exit_code = 1


class UsageError(EdgeMtlError):
    """The command, its options or a configuration are wrong."""

    exit_code = 2


def unknown(kind: str, name: str, known: Iterable[str]) -> UsageError:
    """The error for a name of a table that has no such row; the nearest one is named."""
    import difflib  # only for who misspells

    rows = list(known)
    near = difflib.get_close_matches(name, rows, n=1, cutoff=0.0)[0]
    return UsageError(f"unknown {kind} {name!r}; did you mean {near!r}? Known: {', '.join(rows)}")
