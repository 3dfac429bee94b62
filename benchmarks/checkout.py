"""Which code was measured."""

from __future__ import annotations

import subprocess
from pathlib import Path

_HERE = Path(__file__).parent


def commit() -> str:
    """The commit of this checkout, with "-dirty" where files other than results differ from it."""
    changed = git("status", "--porcelain", "--untracked-files=no", ":/", ":!results")
    return "".join(git("rev-parse", "--short", "HEAD") or []) + ("-dirty" if changed else "")


def git(*words: str) -> list[str] | None:
    """The lines that git says in this folder; None where it refuses."""
    done = subprocess.run(("git", *words), capture_output=True, text=True, cwd=_HERE)
    return done.stdout.splitlines() if done.returncode == 0 else None
