"""`Journal`: what every epoch of a run came to, for machines and for eyes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from edge_mtl.errors import EdgeMtlError
from edge_mtl.train.whole_file import write_whole


class _Line(msgspec.Struct):
    epoch: int


class Journal:
    """`metrics.jsonl`, a line of JSON an epoch, and the same figures for TensorBoard.

    Lines of the same or a later epoch go: an interrupted run left them and makes them again.

    step: the optimisation steps that are done.

    Raises:
        EdgeMtlError: the file that is there is not of a run.
        ImportError: TensorBoard is wanted and not installed.
    """

    def __init__(self, folder: Path, step: int, tensorboard: bool) -> None:
        self._path = folder / "metrics.jsonl"
        self._lines()  # a damaged file is refused before an epoch is trained, not after it
        self._writer = _open_writer(folder / "tensorboard", step) if tensorboard else None

    def append(self, line: dict[str, Any]) -> None:
        """Add the line of an epoch, its number under "epoch" and its last step under "step"; the
        file is replaced as a whole."""
        earlier = [each for epoch, each in self._lines() if epoch < line["epoch"]]
        write_whole(self._path, b"\n".join([*earlier, msgspec.json.encode(line)]) + b"\n")
        if self._writer is not None:
            for name, value in _scalars(line):
                self._writer.add_scalar(name, value, line["step"])
            self._writer.flush()

    def _lines(self) -> list[tuple[int, bytes]]:
        """Every line of the file and its epoch."""
        lines = self._path.read_bytes().splitlines() if self._path.exists() else []
        try:
            return [(msgspec.json.decode(each, type=_Line).epoch, each) for each in lines]
        except (msgspec.DecodeError, ValueError):
            raise EdgeMtlError(
                f"{self._path}: expected a line of JSON with its epoch on every line, found "
                "another or a damaged file; move it away, or give the run another name"
            ) from None

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
