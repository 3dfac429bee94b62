"""JSON files of labels in, structs out, with errors that name the file."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import msgspec

from edge_mtl.errors import EdgeMtlError

T = TypeVar("T")


def read_json(path: Path, into: type[T]) -> T:
    """Read a JSON file `into` a type that msgspec knows.

    Raises:
        EdgeMtlError: the file is missing, is not JSON, ends early, or holds something else.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise EdgeMtlError(
            f"{path}: expected a JSON file of labels, found {error.strerror}; restore it"
        ) from None
    return decode_json(data, into, str(path))


def decode_json(data: bytes, into: type[T], source: str) -> T:
    """The same for a part of a file; `source` says in messages which part of which file.

    Raises:
        EdgeMtlError: as of `read_json`.
    """
    try:
        return msgspec.json.decode(data, type=into)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise EdgeMtlError(
            f"{source}: not the labels that were expected: {error}; fetch or write the file again"
        ) from None
