"""The networks that ship with the package: bundle, checkpoint, recipe and model card, by name."""

from __future__ import annotations

import difflib
from pathlib import Path

from edge_mtl.errors import UsageError

_FOLDER = Path(__file__).parent


def shipped(suffix: str) -> dict[str, Path]:
    """The shipped files with a suffix such as `.emtl`, by the name of their network."""
    return {path.name.removesuffix(suffix): path for path in sorted(_FOLDER.glob(f"*{suffix}"))}


def locate(model: str, suffix: str) -> Path:
    """The file that MODEL means: a shipped network's name, or a path as it is.

    Raises:
        UsageError: `model` looks like a name, not a path, and no such network ships.
    """
    named = shipped(suffix)
    if model in named:
        return named[model]
    path = Path(model)
    if path.exists() or path.suffix or len(path.parts) > 1:
        return path
    near = difflib.get_close_matches(model, named, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise UsageError(
        f"{model!r} is neither a file nor a network that ships with edge-mtl; {hint}"
        f"These ship: {', '.join(named) or 'none'}"
    )
