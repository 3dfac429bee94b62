"""A mask as a PNG whose palette has the colours of the classes and how much they cover.

A browser then blends it over the picture by itself, and classes compress as well as they can.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge_mtl.runtime.palette import Tint

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_INDEXED = 3


def label_png(labels: NDArray[np.uint8], tints: Sequence[Tint]) -> bytes:
    """A PNG of 8-bit indices (ISO/IEC 15948), with an entry of its palette for every class.

    Args:
        labels: (H, W) indices into `tints`.
        tints: up to 256.
    """
    height, width = labels.shape
    rows = np.zeros((height, width + 1), np.uint8)  # a row begins with its filter: none
    rows[:, 1:] = labels
    header = struct.pack(">2I5B", width, height, 8, _INDEXED, 0, 0, 0)
    colours = b"".join(bytes(tint.rgb) for tint in tints)
    covers = bytes(round(255 * tint.cover) for tint in tints)
    return _SIGNATURE + b"".join(
        _chunk(kind, data)
        for kind, data in (
            (b"IHDR", header),
            (b"PLTE", colours),
            (b"tRNS", covers),
            (b"IDAT", zlib.compress(rows.data, 1)),
            (b"IEND", b""),
        )
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)
