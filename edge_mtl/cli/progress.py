"""A progress bar on standard error, a row a stage."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from edge_mtl.cli.logs import as_json


def make_progress(last: ProgressColumn | None = None) -> Progress:
    """Drawn where standard error is a terminal, unless it holds JSON lines; silent elsewhere.

    last: the last column; the time that remains where it is not given.
    """
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        last or TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=as_json() or not sys.stderr.isatty(),
    )


@contextmanager
def stages() -> Iterator[Callable[[str, int, int], None]]:
    """Yields a function to call with a stage, how much of it is done, and out of how much."""
    with make_progress() as progress:
        rows = {}

        def tell(stage: str, done: int, total: int) -> None:
            if stage not in rows:
                rows[stage] = progress.add_task(stage, total=total)
            progress.update(rows[stage], completed=done)

        yield tell
