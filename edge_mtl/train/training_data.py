"""`TrainingData`: the data sets of a run, mixed, augmented and cut into batches, epoch by epoch.

What a batch holds depends on the seed, the epoch and its place in it alone, never on how many
workers or processes there are or whether the run was interrupted.
"""

from __future__ import annotations

import atexit
import itertools
import os
from collections.abc import Generator, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Sampler

from edge_mtl.data.align import Alignment
from edge_mtl.data.augment import augment
from edge_mtl.data.datasets import Dataset, open_dataset
from edge_mtl.data.mapped import mapped
from edge_mtl.data.sample import IGNORE, Sample
from edge_mtl.data.skipping import Skipping
from edge_mtl.errors import EdgeMtlError, UsageError
from edge_mtl.train.batch import Batch, batch_from_samples
from edge_mtl.train.config import DataSource, TrainConfig

_SHUFFLE, _DRAW, _AUGMENT = range(3)  # so that no two uses of a seed share random numbers


@dataclass(frozen=True, slots=True)
class Place:
    """A sample of an epoch: its number there, its data set's number and its index in that."""

    number: int
    source: int
    index: int


@dataclass(frozen=True, slots=True)
class Address:
    """Where a batch comes from."""

    epoch: int
    places: list[Place]


def open_source(source: DataSource, limit: int | None = None) -> Dataset:
    """The data set of a source, its labels under the names that the source gives them.

    limit: as of `open_dataset`.
    """
    return mapped(open_dataset(source.data, source.split, limit), source.classes)


class TrainingData:
    """The mix of data sets of a run.

    part: (rank, processes): of every batch the samples that one of several processes takes; their
        batches together are those of a single process.

    Raises:
        UsageError: a data set is unknown or labels nothing that the model has, none has a plane
            that the model takes, a weight gives a data set no sample, or there are fewer samples
            in a batch than processes.
        EdgeMtlError: a data set cannot be opened.
    """

    def __init__(self, config: TrainConfig, part: tuple[int, int] = (0, 1)) -> None:
        self._config = config
        self._part = part
        self._sources: list[tuple[Skipping, Alignment]] = []
        planes: set[str] = set()
        for source in config.data.train:
            dataset = open_source(source)
            alignment = Alignment(
                dataset.vocabulary, config.model, unlabelled_ok=config.distillation is not None
            )
            self._sources.append((Skipping(dataset), alignment))
            planes.update(dataset.vocabulary.planes)
        for plane in config.model.planes:
            if plane.name not in planes:
                raise UsageError(
                    f"the model takes the plane {plane.name!r}, which no data set has; they have "
                    f"{', '.join(sorted(planes)) or 'none'}: add one with it, or leave it out"
                )
        self._draws = _draws(config, [len(dataset) for dataset, _ in self._sources])
        total = sum(self._draws)
        self._batch = min(config.batch, total)
        self.accumulate = min(config.accumulate, total // self._batch)
        """The batches of one optimisation step; fewer than configured where an epoch is short."""
        self.steps = total // (self._batch * self.accumulate)
        """Optimisation steps an epoch; what does not fill the last one is left out."""
        if self._batch < part[1]:
            raise UsageError(
                f"expected a batch with a sample for each of {part[1]} processes, found "
                f"{self._batch}; raise batch, or start fewer processes"
            )

    @property
    def samples(self) -> int:
        """Samples an epoch, over all processes."""
        return self.steps * self.accumulate * self._batch

    def loader(self, epochs: range) -> DataLoader[Batch | EdgeMtlError]:
        """The batches of some epochs, one after the other, `steps * accumulate` each.

        In the place of one that cannot be loaded stands the reason.
        """
        workers = self._config.data.workers
        return DataLoader(
            _Samples(self._sources, self._draws, self._config),
            sampler=_Addresses(self, epochs),
            batch_size=None,
            num_workers=workers,
            worker_init_fn=_begin_worker,
            # A forked worker would inherit the locks of OpenCV's and torch's threads.
            multiprocessing_context="spawn" if workers else None,
            pin_memory=torch.cuda.is_available(),
        )

    def batches(self, epochs: range) -> Generator[Batch]:
        """What `loader` gives, as a generator: closing it ends the workers, wherever it stands.

        Raises:
            EdgeMtlError: a batch cannot be loaded.
        """
        for batch in self.loader(epochs):
            if isinstance(batch, EdgeMtlError):
                raise batch
            yield batch

    def class_shares(self, per_source: int = 64) -> dict[str, NDArray[np.float64]]:
        """By segmentation task, the share of each class among labelled pixels.

        per_source: so many samples of each data set are counted, evenly spaced.
        """
        counts = {t.name: np.zeros(len(t.classes)) for t in self._config.model.segmentations}
        for dataset, alignment in self._sources if counts else ():
            for index in np.linspace(0, len(dataset) - 1, min(per_source, len(dataset))):
                sample = alignment(dataset.read(int(index))[0])
                for name, mask in sample.masks.items():
                    found = np.bincount(mask.ravel(), minlength=IGNORE + 1)
                    counts[name] += found[: len(counts[name])]
        return {name: count / max(count.sum(), 1.0) for name, count in counts.items()}

    def addresses(self, epoch: int) -> list[Address]:
        """This process's part of the batches of an epoch, shuffled."""
        pairs: list[tuple[int, int]] = []
        for number, ((dataset, _), draws) in enumerate(
            zip(self._sources, self._draws, strict=True)
        ):
            pairs += [(number, index) for index in self._drawn(number, len(dataset), draws, epoch)]
        rng = np.random.default_rng([self._config.seed, _SHUFFLE, epoch])
        order = rng.permutation(len(pairs))
        places = [Place(number, *pairs[i]) for number, i in enumerate(order)]
        rank, processes = self._part
        return [
            Address(epoch, places[first + rank : first + self._batch : processes])
            for first in range(0, self.samples, self._batch)
        ]

    def _drawn(self, source: int, length: int, draws: int, epoch: int) -> Iterator[int]:
        """`draws` indices: shuffled rounds over the source, each epoch going on from the last."""
        for position in range(epoch * draws, (epoch + 1) * draws):
            cycle, place = divmod(position, length)
            if position == epoch * draws or place == 0:
                rng = np.random.default_rng([self._config.seed, _DRAW, source, cycle])
                order = rng.permutation(length)
            yield int(order[place])


def _draws(config: TrainConfig, lengths: list[int]) -> list[int]:
    """How many samples an epoch takes from each data set, which hold so many."""
    sources = config.data.train
    weights = [source.weight for source in sources if source.weight is not None]
    if not weights:
        return [each.draws or length for each, length in zip(sources, lengths, strict=True)]
    total = config.data.epoch_samples or sum(lengths)
    # Rounded where each ends, so that the parts make up the whole.
    ends = [round(sum(weights[: i + 1]) / sum(weights) * total) for i in range(len(weights))]
    draws = [end - start for start, end in zip([0, *ends], ends, strict=False)]
    for source, drawn in zip(sources, draws, strict=True):
        if not drawn:
            raise UsageError(
                f"{source.data}: its weight {source.weight:g} of {sum(weights):g} is less than "
                f"one of the {total} samples of an epoch; raise it, or epoch_samples"
            )
    return draws


class _Addresses(Sampler[Address]):
    """Made epoch by epoch: those of a long run at once would fill the memory."""

    def __init__(self, data: TrainingData, epochs: range) -> None:
        self._data = data
        self._epochs = epochs

    def __iter__(self) -> Iterator[Address]:
        return itertools.chain.from_iterable(map(self._data.addresses, self._epochs))

    def __len__(self) -> int:
        return len(self._epochs) * self._data.steps * self._data.accumulate


class _Samples(torch.utils.data.Dataset[Batch | EdgeMtlError]):
    """From the address of a batch to the batch, in whichever process loads it.

    An error is handed over as it is: if a worker raised it, torch would put a traceback into its
    message.

    draws: by data set, how likely it is to give the partner of a sample.
    """

    def __init__(
        self, sources: list[tuple[Skipping, Alignment]], draws: list[int], config: TrainConfig
    ) -> None:
        self._sources = sources
        self._draws = np.array(draws)
        self._config = config

    def __getitem__(self, address: Address) -> Batch | EdgeMtlError:
        skipped: list[str] = []
        try:
            samples = [self._augmented(address.epoch, place, skipped) for place in address.places]
        except EdgeMtlError as error:
            return error
        return batch_from_samples(samples, self._config.model, tuple(skipped))

    def _augmented(self, epoch: int, place: Place, skipped: list[str]) -> Sample:
        """A sample at its place in an epoch; what could not be read is added to `skipped`."""
        config = self._config
        rng = np.random.default_rng([config.seed, _AUGMENT, epoch, place.number])

        def aligned(source: int, index: int) -> Sample:
            dataset, alignment = self._sources[source]
            sample, problems = dataset.read(index)
            skipped.extend(problems)
            return alignment(sample)

        def partner() -> Sample:
            source = int(rng.choice(len(self._draws), p=self._draws / self._draws.sum()))
            return aligned(source, int(rng.integers(len(self._sources[source][0]))))

        width, height = config.crop
        return augment(
            aligned(place.source, place.index),
            (width, height),
            config.augmentation,
            rng,
            config.model.input.pad,
            partner=partner,
            spec=config.model,
        )


def _begin_worker(worker: int) -> None:
    """Keep a worker from competing with the training threads, and let it end without a word.

    A worker that is closed early still has a thread that hands a batch over; where the interpreter
    ends under it, torch aborts the process (`THPStorage_shareFd`, torch 2.13). Its failures reach
    the training as batches, not as an exit status.
    """
    import cv2

    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    atexit.register(os._exit, 0)
