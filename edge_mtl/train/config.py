"""`TrainConfig`: everything that decides a training run, as a TOML file says it."""

from __future__ import annotations

import difflib
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from edge_mtl.data.augment import Augmentation
from edge_mtl.spec import ModelSpec

Positive = Annotated[int, Meta(ge=1)]
PositiveFloat = Annotated[float, Meta(gt=0)]


class DataSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A data set in the mix.

    data: `reader:path` or `rendered`.
    draws: samples drawn from it in an epoch; all of them once where it is not given. Fewer than it
        has: the next epoch goes on where this one stopped. More: some come twice.
    """

    data: str
    split: str = "train"
    draws: Positive | None = None


class DataConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """train: the mix of an epoch. val: measured after every `validate_every` epochs."""

    train: Annotated[tuple[DataSource, ...], Meta(min_length=1)]
    val: DataSource
    val_limit: Positive | None = None
    workers: Annotated[int, Meta(ge=0)] = 1


class TrainConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A training run.

    name: its folder under `runs/`.
    crop: (width, height) in pixels of the augmented pictures, multiples of 32; smaller than the
        network's input trains faster and sees objects at the same scale.
    precision: as Lightning Fabric names it; "auto" is bf16 where the processor computes it.
    imagenet: start the backbone from ImageNet weights; an error where there are none.
    frozen_stages: so many of the backbone's first stages, and its stem, keep those weights.
    frozen_norm: the backbone's batch norms keep their statistics, so that data sets of different
        look do not mix theirs.
    learning_rate: the peak, after `warmup_epochs`; a cosine takes it to 1 % of that at the end.
    backbone_rate: the backbone's learning rate as a factor of that.
    ema: the decay of the averaged weights, which are what is validated, saved and exported.
    loss_weights: by task, 1 where not named.
    """

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    model: ModelSpec
    data: DataConfig
    augmentation: Augmentation = Augmentation()
    crop: tuple[Annotated[int, Meta(ge=64, multiple_of=32)], ...] = (448, 320)
    seed: Annotated[int, Meta(ge=0, lt=1 << 32)] = 0
    epochs: Positive = 30
    batch: Positive = 8
    precision: Literal["auto", "32-true", "bf16-mixed"] = "auto"
    imagenet: bool = False
    frozen_stages: Annotated[int, Meta(ge=0)] = 0
    frozen_norm: bool = False
    learning_rate: PositiveFloat = 1e-3
    backbone_rate: PositiveFloat = 1.0
    weight_decay: Annotated[float, Meta(ge=0)] = 1e-2
    warmup_epochs: Annotated[float, Meta(ge=0)] = 1.0
    gradient_clip: PositiveFloat = 10.0
    ema: Annotated[float, Meta(ge=0, lt=1)] = 0.998
    loss_weights: dict[str, Annotated[float, Meta(ge=0)]] = {}
    validate_every: Positive = 1

    def __post_init__(self) -> None:
        if len(self.crop) != 2:
            raise ValueError(f"crop must be [width, height], found {list(self.crop)}")
        unknown = sorted(set(self.loss_weights) - {task.name for task in self.model.tasks})
        if unknown:
            names = [task.name for task in self.model.tasks]
            near = difflib.get_close_matches(unknown[0], names, n=1, cutoff=0.0)[0]
            raise ValueError(
                f"loss_weights names {unknown[0]!r}, which is no task; did you mean {near!r}? "
                f"Tasks: {', '.join(names)}"
            )
