"""Image and mask files in, arrays out, with errors that name the file."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_mtl.errors import EdgeMtlError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")


def read_image(path: Path) -> NDArray[np.uint8]:
    """Read a JPEG or PNG file as (H, W, 3) uint8 BGR.

    Raises:
        EdgeMtlError: the file is missing, is not an image, or ends early.
    """
    return _decode(path, cv2.IMREAD_COLOR)


def read_mask(path: Path, size: tuple[int, int], ids: Collection[int]) -> NDArray[np.uint8]:
    """Read a PNG file of class ids as (H, W) uint8.

    size: (width, height) of the image that the mask labels.
    ids: the values that the mask may hold.

    Raises:
        EdgeMtlError: the file is missing or damaged, has colours instead of ids, is of another
            size than its image, or holds an id that is not one of `ids`.
    """
    mask = _one_channel(
        path, size, "a mask", "convert colours or palettes to class ids", "resize it (nearest)"
    )
    counts = np.bincount(mask.reshape(-1), minlength=256)
    unknown = sorted(set(np.flatnonzero(counts).tolist()) - set(ids))
    if unknown:
        pixels = int(counts[unknown].sum())
        raise EdgeMtlError(
            f"{path}: expected the class ids {_in_words(ids)}, found {_in_words(unknown)} "
            f"in {pixels} pixels; give a mask with this data set's ids"
        )
    return mask


def read_plane(path: Path, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Read a PNG file of a plane as (H, W) uint8.

    size: (width, height) of the image that the plane belongs to.

    Raises:
        EdgeMtlError: the file is missing or damaged, is not of one 8-bit channel, or is of another
            size than its image.
    """
    return _one_channel(
        path, size, "a plane", "bring its values to 8 bits", "register it to the image"
    )


def _one_channel(
    path: Path, size: tuple[int, int], what: str, to_convert: str, to_resize: str
) -> NDArray[np.uint8]:
    """A file of one 8-bit channel, of the size (width, height) of its image."""
    found = _decode(path, cv2.IMREAD_UNCHANGED)
    if found.ndim != 2 or found.dtype != np.uint8:
        channels = 1 if found.ndim == 2 else found.shape[2]
        raise EdgeMtlError(
            f"{path}: expected {what} of one 8-bit channel, found {channels} of {found.dtype}; "
            f"{to_convert}"
        )
    if found.shape != (size[1], size[0]):
        raise EdgeMtlError(
            f"{path}: expected {what} of its image's size {size[0]}x{size[1]}, found "
            f"{found.shape[1]}x{found.shape[0]}; {to_resize} or remove the pair"
        )
    return found


def _decode(path: Path, flags: int) -> NDArray[np.uint8]:
    # Through memory rather than cv2.imread, which writes warnings of its own to stderr.
    try:
        data = path.read_bytes()
    except OSError as error:
        raise EdgeMtlError(
            f"{path}: expected a JPEG or PNG file, found {error.strerror}; restore it or remove "
            "its label"
        ) from None
    if not data:
        raise EdgeMtlError(f"{path}: expected a JPEG or PNG file, found 0 bytes; fetch it again")
    if _ends_early(data):
        raise EdgeMtlError(f"{path}: the file ends early after {len(data)} bytes; fetch it again")
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:  # its header promises more pixels than OpenCV takes
        raise EdgeMtlError(
            f"{path}: OpenCV refuses the image ({error.err}); fetch it again"
        ) from None
    if image is None:
        raise EdgeMtlError(
            f"{path}: expected a JPEG or PNG file, found {len(data)} bytes that are neither; "
            "fetch it again"
        )
    return cast("NDArray[np.uint8]", image)


def _ends_early(data: bytes) -> bool:
    """Whether a JPEG or PNG lacks its end: decoders fill the rest with grey and stay silent."""
    if data.startswith(b"\xff\xd8"):
        # The end marker cannot occur in entropy-coded data, so it follows the last scan's start.
        return data.rfind(b"\xff\xd9") < data.rfind(b"\xff\xda")
    if data.startswith(b"\x89PNG"):
        return b"IEND" not in data[-64:]
    return False


def _in_words(ids: Collection[int]) -> str:
    """`0 to 11, 255` for 0, 1, ..., 11, 255."""
    runs: list[list[int]] = []
    for value in sorted(ids):
        if runs and value == runs[-1][-1] + 1:
            runs[-1].append(value)
        else:
            runs.append([value])
    return ", ".join(str(r[0]) if len(r) == 1 else f"{r[0]} to {r[-1]}" for r in runs)
