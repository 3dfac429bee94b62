"""Labelled frames of 1280x720: CamVid's validation split where there is one, cut to that shape,
else rendered scenes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from trained_logits import DATA, FRAME_SIZE

from edge_mtl.data.align import Alignment
from edge_mtl.data.datasets import Dataset, open_dataset
from edge_mtl.data.sample import Sample
from edge_mtl.data.warp import warp
from edge_mtl.spec import ModelSpec

CAMVID = DATA / "camvid"


def dataset(limit: int) -> Dataset:
    """At most so many frames, evenly spaced."""
    name = f"camvid:{CAMVID}" if CAMVID.is_dir() else "rendered"
    return open_dataset(name, "val", limit)


def name(frames: Dataset) -> str:
    """What a result calls them: without the folder of whoever measures."""
    return frames.name.replace(f"{DATA}/", "")


def labelled(frames: Dataset, spec: ModelSpec) -> Iterator[Sample]:
    """The frames with their labels in the ids of a network: as wide as they are, and of their
    height the middle."""
    alignment = Alignment(frames.vocabulary, spec)
    width, height = FRAME_SIZE
    for index in range(len(frames)):
        sample = alignment(frames[index])
        rows, columns = sample.image.shape[:2]
        scale = width / columns
        above = (height - scale * rows) / 2
        yield warp(sample, np.array([[scale, 0.0, 0.0], [0.0, scale, above]]), FRAME_SIZE)
