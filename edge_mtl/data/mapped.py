"""A data set seen through a `ClassMap`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_mtl.data.class_map import AttributeMap, ClassMap, MaskMap
from edge_mtl.data.datasets import Dataset, nearest
from edge_mtl.data.sample import IGNORE, Boxes, Sample, Vocabulary
from edge_mtl.errors import UsageError

_IGNORED = -1


def mapped(dataset: Dataset, class_map: ClassMap) -> Dataset:
    """The data set with its vocabulary and its samples changed as `ClassMap` describes.

    Raises:
        UsageError: the map names a mask, class or attribute that the data set lacks, or gives a
            share where there is nothing to measure. The message names the nearest that it has.
    """
    return Mapped(dataset, class_map) if class_map != ClassMap() else dataset


class Mapped:
    """`mapped` of a map that says anything."""

    def __init__(self, dataset: Dataset, class_map: ClassMap) -> None:
        self.name = dataset.name
        self._dataset = dataset
        known = dataset.vocabulary
        self._masks = {
            name: _MadeMask(name, each, known, dataset.name)
            for name, each in class_map.masks.items()
        }
        self._boxes = _RenamedBoxes(class_map.boxes, known, dataset.name)
        masks = known.masks | {name: made.classes for name, made in self._masks.items()}
        known = dataclasses.replace(known, masks=masks, boxes=self._boxes.classes)
        self._attributes = {
            name: _MadeAttribute(name, each, known, dataset.name)
            for name, each in class_map.attributes.items()
        }
        attributes = known.attributes | {n: made.values for n, made in self._attributes.items()}
        self.vocabulary = dataclasses.replace(known, attributes=attributes)

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: int) -> Sample:
        sample = self._dataset[index]
        masks = {name: mask for name, mask in sample.masks.items() if name not in self._masks}
        for name, made in self._masks.items():
            if made.source in sample.masks:
                masks[name] = made(sample.masks[made.source])
        sample = dataclasses.replace(sample, masks=masks, boxes=self._boxes(sample.boxes))
        values = {name: made(sample) for name, made in self._attributes.items()}
        attributes = {**sample.attributes, **values}
        said = {name: value for name, value in attributes.items() if value is not None}
        return dataclasses.replace(sample, attributes=said)


class _MadeMask:
    """A table from the ids of one mask to those of another."""

    def __init__(self, name: str, map_: MaskMap, known: Vocabulary, dataset: str) -> None:
        _check(map_.source, known.masks, f"masks.{name}.source", dataset, "mask")
        classes = known.masks[map_.source]
        for old in map_.classes:
            _check(old, classes, f"masks.{name}.classes", dataset, "class")
        # The rest first: a task of two classes has its background first, and needs no pass then.
        new = [map_.rest or "", *map_.classes.values()]
        self.source = map_.source
        self.classes = _once(new)
        self._table = np.full(256, IGNORE, np.uint8)
        for old_id, old in enumerate(classes):
            target = map_.classes.get(old, map_.rest or "")
            if target:
                self._table[old_id] = self.classes.index(target)

    def __call__(self, mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return cast("NDArray[np.uint8]", cv2.LUT(mask, self._table))


class _RenamedBoxes:
    """A table from the ids of box classes to others, or to areas to ignore."""

    def __init__(self, names: Mapping[str, str], known: Vocabulary, dataset: str) -> None:
        for old in names:
            _check(old, known.boxes, "boxes", dataset, "box class")
        new = [names.get(old, old) for old in known.boxes]
        self.classes = _once(new)
        ids = [self.classes.index(name) if name else _IGNORED for name in new]
        self._table = np.array(ids, np.int64)

    def __call__(self, boxes: Boxes | None) -> Boxes | None:
        if boxes is None:
            return None
        class_ids = self._table[boxes.class_ids]
        kept = class_ids != _IGNORED
        searched = None
        if boxes.searched is not None:
            # Somebody looked for the new class where somebody looked for all that is in it.
            places = range(len(self.classes))
            searched = np.array([boxes.searched[self._table == i].all() for i in places], bool)
        return Boxes(
            corners=boxes.corners[kept],
            class_ids=class_ids[kept],
            keypoints=None if boxes.keypoints is None else boxes.keypoints[kept],
            ignored=np.concatenate([boxes.ignored, boxes.corners[~kept]]),
            searched=searched,
        )


class _MadeAttribute:
    """What a mapped sample says of an attribute."""

    def __init__(self, name: str, map_: AttributeMap, known: Vocabulary, dataset: str) -> None:
        where = f"attributes.{name}"
        sources = {**known.attributes, **known.masks}
        if known.boxes:
            sources["boxes"] = known.boxes
        _check(map_.source, sources, f"{where}.source", dataset, "attribute, mask or boxes")
        self._source = map_.source
        self._measured = map_.source in known.masks or map_.source == "boxes"
        if map_.min_share is not None and not self._measured:
            raise UsageError(
                f"{where}: min_share is for the share of the picture that a mask or boxes show, "
                f"found the attribute {map_.source!r} as its source; drop it"
            )
        self._min_share = map_.min_share or 0.0
        self._classes = sources[map_.source]
        for old in map_.classes:
            _check(old, self._classes, f"{where}.classes", dataset, "value")
        self._names = {old: map_.classes.get(old, old) for old in self._classes}
        self.values = _once(self._names.values())

    def __call__(self, sample: Sample) -> str | tuple[str, ...] | None:
        """None where the sample does not say."""
        if not self._measured:
            value = sample.attributes.get(self._source)
            if isinstance(value, tuple):
                return _once(self._names.get(each, "") for each in value)
            return self._names.get(value or "") or None
        shares = self._shares(sample)
        if shares is None:
            return None
        present = (shares > 0) & (shares >= self._min_share)
        return _once(self._names[self._classes[i]] for i in np.flatnonzero(present))

    def _shares(self, sample: Sample) -> NDArray[np.float64] | None:
        """The share of the picture that each class has; None where nobody looked."""
        height, width = sample.image.shape[:2]
        if self._source in sample.masks:
            counts = np.bincount(sample.masks[self._source].reshape(-1), minlength=IGNORE + 1)
            return cast("NDArray[np.float64]", counts[: len(self._classes)] / (height * width))
        boxes = sample.boxes
        if self._source != "boxes" or boxes is None:
            return None
        if boxes.searched is not None and not boxes.searched.all():
            return None
        sides = boxes.corners[:, 2:] - boxes.corners[:, :2]
        areas = np.bincount(boxes.class_ids, sides.prod(axis=1), len(self._classes))
        return cast("NDArray[np.float64]", areas / (height * width))


def _once(names: Iterable[str]) -> tuple[str, ...]:
    """Each name but "" once, in order."""
    return tuple(dict.fromkeys(name for name in names if name))


def _check(name: str, known: Iterable[str], where: str, dataset: str, what: str) -> None:
    names = tuple(known)
    if name in names:
        return
    if not names:
        raise UsageError(f"{where} names {name!r}, but {dataset} has no {what}; drop it")
    raise UsageError(
        f"{where} names {name!r}, which is no {what} of {dataset}; did you mean "
        f"{nearest(name, names)!r}? Known: {', '.join(names)}"
    )
