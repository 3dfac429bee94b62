from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edge_mtl.data.sample import Boxes, Sample, Vocabulary
from edge_mtl.export.hashed_data import HashedData

PICTURE = np.arange(8 * 16 * 3, dtype=np.uint8).reshape(8, 16, 3)
PLANE = np.zeros((8, 16), np.uint8)
SAMPLE = Sample(
    PICTURE,
    "a.png",
    {"surface": PLANE},
    Boxes(np.array([[0, 0, 4, 4]], np.float32), np.array([0])),
    {"time": "day"},
    {"depth": PLANE},
)


class Samples:
    name = "samples"

    def __init__(self, *samples: Sample, classes: tuple[str, ...] = ("sky", "road")) -> None:
        self.vocabulary = Vocabulary({"surface": classes}, ("car",))
        self.read: list[int] = []
        self._samples = samples

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, index: int, /) -> Sample:
        self.read.append(index)
        return self._samples[index]


def digest(*samples: Sample, **vocabulary: Any) -> str:
    return HashedData(Samples(*samples, **vocabulary)).sha256()


def test_the_same_data_has_the_same_hash_under_any_name() -> None:
    assert digest(SAMPLE, SAMPLE) == digest(replace(SAMPLE, name="b.png"), SAMPLE)


def another(array: Any) -> Any:
    changed = array.copy()
    changed.flat[-1] += 1
    return changed


@pytest.mark.parametrize(
    "change",
    [
        lambda s: replace(s, image=another(s.image)),
        lambda s: replace(s, image=s.image.reshape(16, 8, 3), masks={}, planes={}),
        lambda s: replace(s, masks={"surface": another(PLANE)}),
        lambda s: replace(s, masks={"lanes": PLANE}),
        lambda s: replace(s, masks={}),
        lambda s: replace(s, planes={"depth": another(PLANE)}),
        lambda s: replace(s, masks=s.planes, planes=s.masks),
        lambda s: replace(s, boxes=None),
        lambda s: replace(s, boxes=replace(s.boxes, corners=another(s.boxes.corners))),
        lambda s: replace(s, boxes=replace(s.boxes, class_ids=np.array([1]))),
        lambda s: replace(s, boxes=replace(s.boxes, searched=np.array([True]))),
        lambda s: replace(s, attributes={"time": "night"}),
    ],
)
def test_whatever_is_changed_changes_the_hash(change: Callable[[Sample], Sample]) -> None:
    assert digest(change(SAMPLE)) != digest(SAMPLE)


def test_order_number_and_meaning_count() -> None:
    other = replace(SAMPLE, image=another(PICTURE))
    assert digest(SAMPLE, other) != digest(other, SAMPLE)
    assert digest(SAMPLE) != digest(SAMPLE, SAMPLE)
    assert digest(SAMPLE) != digest(SAMPLE, classes=("sky", "water"))


def test_a_sample_that_was_read_is_not_read_again_for_its_hash() -> None:
    samples = Samples(SAMPLE, SAMPLE, SAMPLE)
    hashed = HashedData(samples)
    assert (len(hashed), hashed.name, hashed.vocabulary) == (3, "samples", samples.vocabulary)
    assert hashed[1] is SAMPLE
    assert hashed.sha256() == digest(SAMPLE, SAMPLE, SAMPLE)
    assert samples.read == [1, 0, 2]


def test_samples_in_common_are_counted_once_and_by_what_is_in_them() -> None:
    other = replace(SAMPLE, image=another(PICTURE))
    renamed = replace(SAMPLE, name="b.png")
    left, right = HashedData(Samples(SAMPLE, renamed, other)), HashedData(Samples(other, renamed))
    apart = HashedData(Samples(replace(other, attributes={})))
    for each in (left, right, apart):
        each.sha256()
    assert left.in_common(right) == right.in_common(left) == 2
    assert left.in_common(apart) == 0
