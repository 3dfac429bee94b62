"""Which code was measured."""

from __future__ import annotations

import subprocess
from pathlib import Path


def commit() -> str:
    """The commit of this checkout, with "-dirty" where files other than results differ from it."""
    changed = _git("status", "--porcelain", "--untracked-files=no", ":/", ":!results")
    return _git("rev-parse", "--short", "HEAD") + ("-dirty" if changed else "")


def _git(*words: str) -> str:
    here = Path(__file__).parent
    return subprocess.run(("git", *words), capture_output=True, text=True, cwd=here).stdout.strip()
