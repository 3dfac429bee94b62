from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch

from edge_mtl.data.sample import IGNORE, Boxes, Sample
from edge_mtl.spec import InputSpec, ModelSpec
from edge_mtl.train.batch import Batch, TrainingData, batch_from_samples
from edge_mtl.train.config import DataConfig, DataSource, TrainConfig


def batches(config: TrainConfig, epochs: range) -> list[Batch]:
    return list(TrainingData(config).loader(epochs))


def same(left: Batch, right: Batch) -> bool:
    return (
        left.names == right.names
        and torch.equal(left.image, right.image)
        and all(torch.equal(left.masks[name], mask) for name, mask in right.masks.items())
        and [None if b is None else [t.tolist() for t in b] for b in left.boxes]
        == [None if b is None else [t.tolist() for t in b] for b in right.boxes]
    )


def mixed(config: TrainConfig, camvid: Path, *draws: int | None, workers: int = 0) -> TrainConfig:
    sources = tuple(DataSource(data=f"camvid:{camvid}", draws=each) for each in draws)
    data = DataConfig(train=sources, val=config.data.val, workers=workers)
    return msgspec.structs.replace(config, data=data)


def test_samples_become_tensors(spec: ModelSpec) -> None:
    network_input = InputSpec(width=32, height=32, mean=(0.5, 0.0, 0.0), std=(0.5, 1.0, 1.0))
    spec = msgspec.structs.replace(spec, input=network_input)
    image = np.zeros((4, 6, 3), np.uint8)
    image[1, 2] = (51, 102, 255)  # blue, green, red
    mask = np.full((4, 6), 2, np.uint8)
    boxes = Boxes(np.array([[1, 1, 3, 2]], np.float32), np.array([1]))
    batch = batch_from_samples(
        [
            Sample(image, "a", {"segmentation": mask}, boxes),
            Sample(image, "b"),
        ],
        spec,
    )
    assert batch.image.shape == (2, 3, 4, 6)
    assert batch.image.dtype == torch.float32
    assert batch.image[0, :, 1, 2].tolist() == pytest.approx([1.0, 0.4, 0.2])  # red first
    assert batch.image[0, :, 0, 0].tolist() == [-1.0, 0.0, 0.0]
    assert batch.masks["segmentation"].dtype == torch.int64
    assert batch.masks["segmentation"][:, 0, 0].tolist() == [2, IGNORE]
    assert batch.boxes[0] is not None
    assert batch.boxes[0][0].tolist() == [[1, 1, 3, 2]]
    assert batch.boxes[1] is None
    assert batch.names == ["a", "b"]


def test_an_epoch_shuffles_and_holds_every_sample_once(
    make_config: Callable[..., TrainConfig],
) -> None:
    config = make_config(batch=1)
    orders = [[b.names[0] for b in batches(config, range(e, e + 1))] for e in (0, 1)]
    assert len(set(orders[0])) == len(orders[0]) == 5
    assert set(orders[1]) == set(orders[0])
    assert orders[0] != orders[1]


def test_what_does_not_fill_a_batch_is_left_out(make_config: Callable[..., TrainConfig]) -> None:
    data = TrainingData(make_config(batch=2))
    assert data.steps == 2
    assert [len(batch.names) for batch in data.loader(range(3))] == [2] * 6
    few = TrainingData(make_config(batch=64))
    assert few.steps == 1
    assert [len(batch.names) for batch in few.loader(range(1))] == [5]


def test_a_run_that_goes_on_sees_what_it_would_have_seen(
    make_config: Callable[..., TrainConfig],
) -> None:
    whole = batches(make_config(), range(4))
    resumed = batches(make_config(), range(2, 4))
    assert all(same(left, right) for left, right in zip(whole[4:], resumed, strict=True))
    assert not same(whole[0], whole[2])
    other_seed = batches(make_config(seed=1), range(4))
    assert not any(same(left, right) for left, right in zip(whole, other_seed, strict=True))


def test_workers_change_nothing(make_config: Callable[..., TrainConfig], camvid: Path) -> None:
    alone = batches(mixed(make_config(), camvid, None), range(1))
    shared = batches(mixed(make_config(), camvid, None, workers=2), range(1))
    assert all(same(left, right) for left, right in zip(alone, shared, strict=True))


@pytest.mark.parametrize("draws", [1, 2, 3, 5])
def test_fewer_draws_go_on_in_the_next_epoch_until_all_were_seen(
    make_config: Callable[..., TrainConfig], camvid: Path, draws: int
) -> None:
    config = mixed(make_config(batch=1), camvid, draws)
    seen = Counter(batch.names[0] for batch in batches(config, range(5)))
    assert seen == dict.fromkeys(seen, draws)  # 5 epochs are `draws` rounds over 5 samples
    assert len(seen) == 5


def test_more_draws_repeat_samples_evenly_and_vary_them(
    make_config: Callable[..., TrainConfig], camvid: Path
) -> None:
    found = batches(mixed(make_config(batch=1), camvid, 12), range(1))
    counts = Counter(batch.names[0] for batch in found)
    assert sorted(counts.values()) == [2, 2, 2, 3, 3]
    name = found[0].names[0]
    twice = [batch for batch in found if batch.names[0] == name]
    assert not same(twice[0], twice[1])  # augmented anew


def test_sources_mix_within_an_epoch(make_config: Callable[..., TrainConfig], camvid: Path) -> None:
    data = TrainingData(mixed(make_config(), camvid, None, 3))
    assert data.steps == 4
    counts = Counter(name for batch in data.loader(range(1)) for name in batch.names)
    assert sum(counts.values()) == 8
    assert sorted(counts.values()) == [1, 1, 2, 2, 2]


def test_class_shares_are_those_of_labelled_pixels(
    make_config: Callable[..., TrainConfig],
) -> None:
    shares = TrainingData(make_config()).class_shares()
    assert list(shares) == ["segmentation"]
    assert shares["segmentation"].sum() == pytest.approx(1.0)
    assert shares["segmentation"][2] == pytest.approx(24 * 20 / (62 * 64))  # the car
