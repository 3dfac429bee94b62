"""`scratch`: a temporary folder that is gone in the end even where its process was killed."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PREFIX = "edge-mtl-batch-"
_LOCK = ".lock"


@contextmanager
def scratch() -> Iterator[Path]:
    """A new folder among the temporary files (`TMPDIR`), held by a lock, removed in the end.

    The lock goes with the process: the next one that asks for a folder here removes those that
    nobody holds any more, with the clips in them. The number of the process is in the name.
    """
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
    lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for other in folder.parent.glob(f"{_PREFIX}*"):
            if other != folder and _is_left(other):
                shutil.rmtree(other, ignore_errors=True)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _is_left(folder: Path) -> bool:
    """Whether whoever made the folder is gone. One without a lock was made just now."""
    try:
        descriptor = os.open(folder / _LOCK, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True
