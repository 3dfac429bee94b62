"""`Census`: how much of a data set is labelled, class by class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import msgspec
import numpy as np
from rich.table import Table

from edge_mtl.data.datasets import Dataset
from edge_mtl.data.sample import IGNORE


class Census(msgspec.Struct, frozen=True, kw_only=True):
    """What the labels of a data set come to.

    frames: how many pictures it has.
    pixels: by mask and class, the share of all pixels of all pictures that have that label; what is
        missing to 1 is not labelled.
    boxes: by class, how many. areas: how many are `Boxes.ignored`.
    poses: boxes with at least one keypoint. keypoints: how many those have together.
    attributes: by attribute and value, the pictures for which it is said to hold.
    """

    frames: int
    pixels: dict[str, dict[str, float]]
    boxes: dict[str, int]
    areas: int
    poses: int
    keypoints: int
    attributes: dict[str, dict[str, int]]

    def table(self) -> Table:
        """A row a class; of masks also all classes together."""
        table = Table(title=f"labels of {self.frames} frames", title_justify="left")
        for column in ("what", "class"):
            table.add_column(column)
        table.add_column("labelled", justify="right")
        for name, shares in self.pixels.items():
            table.add_row(name, "all", f"{sum(shares.values()) * 100:.1f} %")
            for class_name, share in shares.items():
                table.add_row(name, class_name, f"{share * 100:.2f} %")
        for class_name, count in self.boxes.items():
            table.add_row("boxes", class_name, str(count))
        table.add_row("boxes", "areas ignored", str(self.areas))
        table.add_row("poses", f"with {self.keypoints} keypoints", str(self.poses))
        for name, counts in self.attributes.items():
            for value, count in counts.items():
                table.add_row(name, value, f"{count} frames")
        return table


def take_census(dataset: Dataset, progress: Callable[[int, int], None] | None = None) -> Census:
    """Count the labels of every sample; box classes and values that never occur are left out.

    progress: called after each sample with the samples counted and the samples in all.
    """
    vocabulary = dataset.vocabulary
    pixels = {name: np.zeros(len(classes), np.int64) for name, classes in vocabulary.masks.items()}
    every = areas = poses = keypoints = 0
    box_ids: Counter[int] = Counter()
    attributes: dict[str, Counter[str]] = {}
    for index in range(len(dataset)):
        sample = dataset[index]
        every += sample.image.shape[0] * sample.image.shape[1]
        for name, mask in sample.masks.items():
            found = np.bincount(mask.ravel(), minlength=IGNORE + 1)
            pixels[name] += found[: len(pixels[name])]
        if sample.boxes is not None:
            box_ids.update(sample.boxes.class_ids.tolist())
            areas += len(sample.boxes.ignored)
            if sample.boxes.keypoints is not None:
                labelled = (sample.boxes.keypoints[:, :, 2] > 0).sum(1)
                poses += int((labelled > 0).sum())
                keypoints += int(labelled.sum())
        for name, said in sample.attributes.items():
            values = (said,) if isinstance(said, str) else said
            attributes.setdefault(name, Counter()).update(values)
        if progress is not None:
            progress(index + 1, len(dataset))
    return Census(
        frames=len(dataset),
        pixels={
            name: {
                class_name: int(count) / max(every, 1)
                for class_name, count in zip(classes, pixels[name], strict=True)
            }
            for name, classes in vocabulary.masks.items()
        },
        boxes={vocabulary.boxes[number]: count for number, count in sorted(box_ids.items())},
        areas=areas,
        poses=poses,
        keypoints=keypoints,
        attributes={name: dict(counts) for name, counts in attributes.items()},
    )
