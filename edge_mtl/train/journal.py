"""`Journal`: what every epoch of a run came to, for machines and for eyes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from edge_mtl.train.whole_file import write_whole


class Journal:
    """`metrics.jsonl`, a line of JSON an epoch, and the same figures for TensorBoard.

    Lines of the same or a later epoch go: an interrupted run left them and makes them again.

    step: the optimisation steps that are done.

    Raises:
        ImportError: TensorBoard is wanted and not installed.
    """

    def __init__(self, folder: Path, step: int, tensorboard: bool) -> None:
        self._path = folder / "metrics.jsonl"
        self._writer = _open_writer(folder / "tensorboard", step) if tensorboard else None

    def append(self, line: dict[str, Any]) -> None:
        """Add the line of an epoch, its number under "epoch" and its last step under "step"; the
        file is replaced as a whole."""
        kept = self._path.read_bytes().splitlines() if self._path.exists() else []
        earlier = [each for each in kept if msgspec.json.decode(each)["epoch"] < line["epoch"]]
        write_whole(self._path, b"\n".join([*earlier, msgspec.json.encode(line)]) + b"\n")
        if self._writer is not None:
            for name, value in _scalars(line):
                self._writer.add_scalar(name, value, line["step"])
            self._writer.flush()

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


def _open_writer(folder: Path, step: int) -> Any:
    from torch.utils.tensorboard import SummaryWriter

    # What an interrupted run wrote later than this is hidden.
    return SummaryWriter(str(folder), purge_step=step + 1)


def _scalars(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    """The numbers in nested dictionaries, each by its keys joined with a slash."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _scalars(value, f"{prefix}{key}/")
        elif isinstance(value, int | float):
            yield f"{prefix}{key}", value
