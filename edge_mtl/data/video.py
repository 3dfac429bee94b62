"""The frames of a video file, for teachers to label and networks to be looked at with."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_mtl.data.sample import Sample, Vocabulary
from edge_mtl.errors import EdgeMtlError


class Video:
    """Every frame of a video, without labels.

    Frames in order are read as fast as they decode. A frame out of order costs decoding all from
    the key frame before it, a tenth of a second and more: for shuffled training, unpack long videos
    into a folder of images.

    Raises:
        EdgeMtlError: the file is missing or no video. Taking a sample raises it where the file is
            damaged or shorter than it says.
    """

    vocabulary = Vocabulary(masks={})

    def __init__(self, path: Path) -> None:
        self.name = f"video:{path}"
        self._path = path
        self._length = _film(path).length

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < self._length:
            raise IndexError(f"frame must be in 0..{self._length - 1}, found {index}")
        return Sample(image=_film(self._path).frame(index), name=f"{self._path}#{index}")


class _Film:
    """An open file and where it stands."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise EdgeMtlError(f"{path}: expected a video file, found none; give its path")
        self._path = path
        self._capture = cv2.VideoCapture(str(path))
        self.length = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        if not self._capture.isOpened() or self.length < 1:
            raise EdgeMtlError(f"{path}: expected a video file, found no frames; fetch it again")
        self._next = 0

    def frame(self, index: int) -> NDArray[np.uint8]:
        if index != self._next:
            self._capture.set(cv2.CAP_PROP_POS_FRAMES, index)
        read, image = self._capture.read()
        if not read:
            self._next = -1
            raise EdgeMtlError(
                f"{self._path}: expected {self.length} frames, found no frame {index}; "
                "fetch it again"
            )
        self._next = index + 1
        return cast("NDArray[np.uint8]", image)


@lru_cache(maxsize=4)
def _film(path: Path) -> _Film:
    """Open files do not travel to the processes that load data: each opens its own."""
    return _Film(path)
