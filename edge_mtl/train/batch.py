"""`Batch`: augmented samples as tensors, and the loader that makes them.

What a batch holds depends on the seed, the epoch and its place in it alone, never on how many
workers there are or whether the run was interrupted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

from edge_mtl.data.align import Alignment
from edge_mtl.data.augment import augment
from edge_mtl.data.datasets import Dataset, open_dataset
from edge_mtl.data.sample import IGNORE, Sample
from edge_mtl.spec import ModelSpec
from edge_mtl.train.config import TrainConfig

_SHUFFLE, _DRAW, _AUGMENT = range(3)  # so that no two uses of a seed share random numbers


@dataclass(frozen=True, slots=True)
class Address:
    """Where a batch comes from.

    first: the place in the epoch of its first sample.
    samples: the number of the data set and the index in it, sample by sample.
    """

    epoch: int
    first: int
    samples: list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Batch:
    """N samples in the ids of the spec.

    image: (N, 3, H, W) float32, normalised.
    masks: by segmentation task, (N, H, W) int64; `IGNORE` where there is no label.
    boxes: per sample (M, 4) float32 and (M,) int64 class ids; None where boxes are not labelled.
    names: where each sample came from.
    """

    image: Tensor
    masks: dict[str, Tensor]
    boxes: list[tuple[Tensor, Tensor] | None]
    names: list[str]

    def to(self, device: torch.device) -> Batch:
        masks = {name: mask.to(device) for name, mask in self.masks.items()}
        boxes = [
            None if found is None else (found[0].to(device), found[1].to(device))
            for found in self.boxes
        ]
        return Batch(self.image.to(device), masks, boxes, self.names)


def batch_from_samples(samples: Sequence[Sample], spec: ModelSpec) -> Batch:
    """Stack samples of one size whose labels are in the ids of `spec`."""
    table = spec.input.normalization()
    images = np.stack(
        [
            np.stack([table[c][sample.image[..., 2 - c]] for c in range(3)])  # BGR to RGB
            for sample in samples
        ]
    )
    masks = {}
    for task in spec.segmentations:
        unlabelled = np.full(samples[0].image.shape[:2], IGNORE, np.uint8)
        stacked = np.stack([sample.masks.get(task.name, unlabelled) for sample in samples])
        masks[task.name] = torch.from_numpy(stacked).long()
    boxes: list[tuple[Tensor, Tensor] | None] = [
        None
        if sample.boxes is None
        else (torch.from_numpy(sample.boxes.corners), torch.from_numpy(sample.boxes.class_ids))
        for sample in samples
    ]
    return Batch(torch.from_numpy(images), masks, boxes, [sample.name for sample in samples])


class TrainingData:
    """The mix of data sets of a run, epoch by epoch."""

    def __init__(self, config: TrainConfig) -> None:
        self._config = config
        self._sources: list[tuple[Dataset, Alignment]] = []
        for source in config.data.train:
            dataset = open_dataset(source.data, source.split)
            self._sources.append((dataset, Alignment(dataset.vocabulary, config.model)))
        self._draws = [
            source.draws or len(dataset)
            for source, (dataset, _) in zip(config.data.train, self._sources, strict=True)
        ]

    @property
    def steps(self) -> int:
        """Batches an epoch; what does not fill the last one is left out."""
        return max(1, sum(self._draws) // self._config.batch)

    def loader(self, epochs: range) -> DataLoader[Batch]:
        """The batches of some epochs, one after the other, `steps` each."""
        workers = self._config.data.workers
        return DataLoader(
            _Samples(self._sources, self._config),
            sampler=_Addresses([batch for epoch in epochs for batch in self._batches(epoch)]),
            batch_size=None,
            num_workers=workers,
            worker_init_fn=_one_thread,
            # A forked worker would inherit the locks of OpenCV's and torch's threads.
            multiprocessing_context="spawn" if workers else None,
        )

    def class_shares(self, per_source: int = 64) -> dict[str, NDArray[np.float64]]:
        """By segmentation task, the share of each class among labelled pixels.

        per_source: so many samples of each data set are counted, evenly spaced.
        """
        counts = {t.name: np.zeros(len(t.classes)) for t in self._config.model.segmentations}
        for dataset, alignment in self._sources:
            for index in np.linspace(0, len(dataset) - 1, min(per_source, len(dataset))):
                sample = alignment(dataset[int(index)])
                for name, mask in sample.masks.items():
                    found = np.bincount(mask.ravel(), minlength=IGNORE + 1)
                    counts[name] += found[: len(counts[name])]
        return {name: count / max(count.sum(), 1.0) for name, count in counts.items()}

    def _batches(self, epoch: int) -> list[Address]:
        """The samples of an epoch, shuffled and cut into batches."""
        pairs: list[tuple[int, int]] = []
        for number, ((dataset, _), draws) in enumerate(
            zip(self._sources, self._draws, strict=True)
        ):
            pairs += [(number, index) for index in self._drawn(number, len(dataset), draws, epoch)]
        rng = np.random.default_rng([self._config.seed, _SHUFFLE, epoch])
        order = rng.permutation(len(pairs))
        batch = min(self._config.batch, len(pairs))
        return [
            Address(epoch, first, [pairs[i] for i in order[first : first + batch]])
            for first in range(0, len(pairs) - batch + 1, batch)
        ]

    def _drawn(self, source: int, length: int, draws: int, epoch: int) -> Iterator[int]:
        """`draws` indices: shuffled rounds over the source, each epoch going on from the last."""
        for position in range(epoch * draws, (epoch + 1) * draws):
            cycle, place = divmod(position, length)
            if position == epoch * draws or place == 0:
                rng = np.random.default_rng([self._config.seed, _DRAW, source, cycle])
                order = rng.permutation(length)
            yield int(order[place])


class _Addresses(Sampler[Address]):
    def __init__(self, batches: list[Address]) -> None:
        self._batches = batches

    def __iter__(self) -> Iterator[Address]:
        return iter(self._batches)

    def __len__(self) -> int:
        return len(self._batches)


class _Samples(torch.utils.data.Dataset[Batch]):
    """From the address of a batch to the batch, in whichever process loads it."""

    def __init__(self, sources: list[tuple[Dataset, Alignment]], config: TrainConfig) -> None:
        self._sources = sources
        self._config = config

    def __getitem__(self, address: Address) -> Batch:
        config = self._config
        width, height = config.crop
        samples = []
        for place, (source, index) in enumerate(address.samples, address.first):
            dataset, alignment = self._sources[source]
            rng = np.random.default_rng([config.seed, _AUGMENT, address.epoch, place])
            sample = alignment(dataset[index])
            pad = config.model.input.pad
            samples.append(augment(sample, (width, height), config.augmentation, rng, pad))
        return batch_from_samples(samples, config.model)


def _one_thread(worker: int) -> None:
    """Keep OpenCV in a worker from competing with the training threads."""
    import cv2

    cv2.setNumThreads(1)
    torch.set_num_threads(1)
