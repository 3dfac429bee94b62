"""Keep a library's logger from saying to our users what it says to its developers."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator


@contextlib.contextmanager
def quiet(logger_name: str) -> Iterator[None]:
    """Let only the errors of a logger ("" for the root) and those below it through."""
    logger = logging.getLogger(logger_name or None)
    level = logger.level
    logger.setLevel(logging.ERROR)
    # Where the root has no handler, `logging.warning` gives it one for good.
    handler = logging.NullHandler()
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
