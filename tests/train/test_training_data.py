from __future__ import annotations

import itertools
import multiprocessing
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch

from edge_mtl.data.augment import Augmentation
from edge_mtl.data.skipping import Skipping
from edge_mtl.errors import EdgeMtlError, UsageError
from edge_mtl.spec import PlaneInput
from edge_mtl.train.batch import Batch
from edge_mtl.train.config import DataSource, TrainConfig
from edge_mtl.train.training_data import TrainingData


def batches(config: TrainConfig, epochs: range) -> list[Batch]:
    return list(TrainingData(config).loader(epochs))


def same(left: Batch, right: Batch) -> bool:
    return (
        left.names == right.names
        and torch.equal(left.image, right.image)
        and all(torch.equal(left.masks[name], mask) for name, mask in right.masks.items())
        and [None if b is None else b.corners.tolist() for b in left.boxes]
        == [None if b is None else b.corners.tolist() for b in right.boxes]
    )


def with_data(config: TrainConfig, *sources: DataSource, **changes: Any) -> TrainConfig:
    data = msgspec.structs.replace(config.data, train=sources, **changes)
    return msgspec.structs.replace(config, data=data)


def mixed(config: TrainConfig, camvid: Path, *draws: int | None, workers: int = 0) -> TrainConfig:
    sources = [DataSource(data=f"camvid:{camvid}", draws=each) for each in draws]
    return with_data(config, *sources, workers=workers)


def weighted(config: TrainConfig, camvid: Path, samples: int, *weights: float) -> TrainConfig:
    sources = [DataSource(data=f"camvid:{camvid}", weight=each) for each in weights]
    return with_data(config, *sources, epoch_samples=samples)


def test_a_plane_that_no_data_set_has_is_refused(make_config: Callable[..., TrainConfig]) -> None:
    config = make_config()
    planes = (PlaneInput(name="depth"),)
    model = msgspec.structs.replace(config.model, planes=planes)
    with pytest.raises(UsageError, match=r"takes the plane 'depth', which no data set has.* none"):
        TrainingData(msgspec.structs.replace(config, model=model))


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


def test_workers_change_nothing_and_end_when_closed(
    make_config: Callable[..., TrainConfig], camvid: Path
) -> None:
    alone = batches(mixed(make_config(), camvid, None), range(1))
    running = TrainingData(mixed(make_config(), camvid, None, workers=2)).batches(range(3))
    assert all(same(left, next(running)) for left in alone)
    workers = multiprocessing.active_children()
    assert len(workers) == 2
    running.close()
    assert not multiprocessing.active_children()
    assert [worker.exitcode for worker in workers] == [0, 0]


@pytest.mark.parametrize("workers", [0, 1])
def test_a_disk_that_is_gone_ends_a_run_with_one_line(
    make_config: Callable[..., TrainConfig], camvid: Path, tmp_path: Path, workers: int
) -> None:
    copy = shutil.copytree(camvid, tmp_path / "camvid")
    data = TrainingData(mixed(make_config(), copy, None, workers=workers))
    for path in (copy / "train").iterdir():
        path.write_bytes(b"")
    with pytest.raises(EdgeMtlError, match="5 samples in a row cannot be read") as caught:
        next(data.batches(range(1)))
    assert "\n" not in str(caught.value)


def test_the_plan_of_a_long_run_is_made_as_it_goes(make_config: Callable[..., TrainConfig]) -> None:
    sampler = TrainingData(make_config()).loader(range(3, 10**9)).sampler
    assert len(sampler) == 2 * (10**9 - 3)
    assert [address.epoch for address in itertools.islice(sampler, 5)] == [3, 3, 4, 4, 5]


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


@pytest.mark.parametrize(
    ("weights", "drawn"),
    [((1.0, 1.0), [10, 10]), ((3.0, 1.0), [15, 5]), ((1.0, 1.0, 1.0), [7, 6, 7])],
)
def test_weights_share_out_an_epoch(
    make_config: Callable[..., TrainConfig],
    camvid: Path,
    weights: tuple[float, ...],
    drawn: list[int],
) -> None:
    data = TrainingData(weighted(make_config(batch=1), camvid, 20, *weights))
    places = [place for batch in data.loader(range(1)).sampler for place in batch.places]
    assert list(Counter(sorted(place.source for place in places)).values()) == drawn
    assert data.samples == 20


def test_a_weight_that_draws_nothing_is_refused(
    make_config: Callable[..., TrainConfig], camvid: Path
) -> None:
    with pytest.raises(UsageError, match=r"its weight 0\.01 of 1\.01 is less than one of the 10"):
        TrainingData(weighted(make_config(), camvid, 10, 1.0, 0.01))


@pytest.mark.parametrize("batch", [2, 5])
def test_processes_share_out_the_samples_of_every_batch(
    make_config: Callable[..., TrainConfig], batch: int
) -> None:
    config = make_config(batch=batch)
    whole = batches(config, range(2))
    parts = [list(TrainingData(config, (rank, 2)).loader(range(2))) for rank in range(2)]
    assert [TrainingData(config, (rank, 2)).steps for rank in range(2)] == [5 // batch] * 2
    for together, *apart in zip(whole, *parts, strict=True):
        for rank, part in enumerate(apart):
            assert part.names == together.names[rank::2]
            assert torch.equal(part.image, together.image[rank::2])  # augmented as in one process


def test_a_process_without_samples_is_refused(make_config: Callable[..., TrainConfig]) -> None:
    with pytest.raises(UsageError, match="a sample for each of 3 processes, found 2"):
        TrainingData(make_config(batch=2), (0, 3))


@pytest.mark.parametrize(
    ("batch", "accumulate", "steps", "taken"), [(2, 2, 1, 2), (1, 2, 2, 2), (2, 9, 1, 2)]
)
def test_a_step_accumulates_whole_batches(
    make_config: Callable[..., TrainConfig], batch: int, accumulate: int, steps: int, taken: int
) -> None:
    data = TrainingData(make_config(batch=batch, accumulate=accumulate))
    assert (data.steps, data.accumulate, data.samples) == (steps, taken, steps * taken * batch)
    assert [len(each.names) for each in data.loader(range(1))] == [batch] * steps * taken


def test_partners_come_from_the_mix_and_are_the_same_each_time(
    make_config: Callable[..., TrainConfig], still: Augmentation
) -> None:
    mosaic = msgspec.structs.replace(still, mosaic=1.0)
    once, again = (batches(make_config(augmentation=mosaic), range(1)) for _ in range(2))
    alone = batches(make_config(augmentation=still), range(1))
    assert all(same(left, right) for left, right in zip(once, again, strict=True))
    assert not any(same(left, right) for left, right in zip(once, alone, strict=True))


def test_class_shares_are_those_of_labelled_pixels(
    make_config: Callable[..., TrainConfig],
) -> None:
    shares = TrainingData(make_config()).class_shares()
    assert list(shares) == ["segmentation"]
    assert shares["segmentation"].sum() == pytest.approx(1.0)
    assert shares["segmentation"][2] == pytest.approx(24 * 20 / (62 * 64))  # the car


def test_without_masks_no_sample_is_read_to_count_classes(
    make_config: Callable[..., TrainConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = make_config()
    model = msgspec.structs.replace(config.model, tasks=config.model.detections)
    data = TrainingData(msgspec.structs.replace(config, model=model))
    monkeypatch.setattr(Skipping, "read", lambda *_: pytest.fail("a sample was read"))
    assert data.class_shares() == {}
