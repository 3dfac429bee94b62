"""`HashedData`: a data set that notes what was read from it, for the manifest of a bundle."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge_mtl.data.datasets import Dataset
from edge_mtl.data.sample import Sample, Vocabulary


class HashedData:
    """The samples of a data set, hashed as they pass.

    Every sample is read and rendered for other reasons anyway; to read them again for their hash
    would cost as much once more.
    """

    def __init__(self, data: Dataset) -> None:
        self._data = data
        self._digests: dict[int, bytes] = {}

    @property
    def name(self) -> str:
        return self._data.name

    @property
    def vocabulary(self) -> Vocabulary:
        return self._data.vocabulary

    def __len__(self) -> int:
        return len(self._data)

    def __getitem__(self, index: int, /) -> Sample:
        sample = self._data[index]
        if index not in self._digests:
            self._digests[index] = _digest(sample)
        return sample

    def sha256(self) -> str:
        """Of all pixels and labels, in order, and of what the labels mean; names of files do not
        count. Samples that nobody has asked for yet are read."""
        every = hashlib.sha256(msgspec.json.encode(self.vocabulary, order="sorted"))
        for index in range(len(self)):
            if index not in self._digests:
                self[index]
            every.update(self._digests[index])
        return every.hexdigest()

    def in_common(self, other: HashedData) -> int:
        """How many samples, of those that were read, the other has read too, labels and all."""
        return len({*self._digests.values()} & {*other._digests.values()})


def _digest(sample: Sample) -> bytes:
    found = hashlib.sha256(msgspec.json.encode(sample.attributes, order="sorted"))
    for name, array in _arrays(sample):
        found.update(f"{name} {array.dtype.str} {array.shape}".encode())
        found.update(np.ascontiguousarray(array).data)
    return found.digest()


def _arrays(sample: Sample) -> Iterator[tuple[str, NDArray[np.generic]]]:
    yield "image", sample.image
    for kind, arrays in (("mask", sample.masks), ("plane", sample.planes)):
        for name, array in sorted(arrays.items()):
            yield f"{kind} {name}", array
    if sample.boxes is None:
        return
    for name in ("corners", "class_ids", "keypoints", "ignored", "searched"):
        array = getattr(sample.boxes, name)
        if array is not None:
            yield f"boxes {name}", array
