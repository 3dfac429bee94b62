"""What can be read of a serialised TensorRT engine without a GPU, and without TensorRT."""

from __future__ import annotations

import msgspec

_MAGIC = {b"ftrt": "tensorrt", b"vtrt": "tensorrt_rtx"}
# The TensorRT team gave the place of the version in NVIDIA/TensorRT issue 3073; engines of
# TensorRT-RTX were seen to have it there too.
_VERSION = slice(24, 28)
_HEADER_BYTES = 64


class EngineHeader(msgspec.Struct, frozen=True):
    """The module that loads an engine, and the version of it that built it."""

    module: str
    version: str


def engine_header(data: bytes) -> EngineHeader | None:
    """The header of an engine; None where `data` begins as none does."""
    module = _MAGIC.get(data[:4])
    if module is None or len(data) < _HEADER_BYTES:
        return None
    return EngineHeader(module, ".".join(str(number) for number in data[_VERSION]))
