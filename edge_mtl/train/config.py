"""`TrainConfig`: everything that decides a training run, as a TOML file says it."""

from __future__ import annotations

import difflib
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from edge_mtl.data.augmentation import Augmentation
from edge_mtl.data.class_map import ClassMap
from edge_mtl.spec import ModelSpec
from edge_mtl.tasks import Fraction
from edge_mtl.train.distillation.config import DistillationConfig
from edge_mtl.train.weighting.config import WeightingConfig

Positive = Annotated[int, Meta(ge=1)]
PositiveFloat = Annotated[float, Meta(gt=0)]
NotNegative = Annotated[float, Meta(ge=0)]


class DataSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A data set in the mix.

    data: `reader:path` or `rendered`.
    draws: samples drawn from it in an epoch; all of them once where it is not given. Fewer than it
        has: the next epoch goes on where this one stopped. More: some come twice.
    weight: instead of `draws`, its part of `DataConfig.epoch_samples` beside the weights of the
        others. Either every data set of a mix has a weight or none has.
    classes: its labels under the names of the model's tasks.
    """

    data: str
    split: str = "train"
    draws: Positive | None = None
    weight: PositiveFloat | None = None
    classes: ClassMap = ClassMap()

    def __post_init__(self) -> None:
        if self.draws is not None and self.weight is not None:
            raise ValueError(
                f"{self.data}: expected draws or weight, found both (draws = {self.draws}, "
                f"weight = {self.weight}); drop one"
            )


class DataConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a run learns from and is measured on.

    train: the mix of an epoch.
    epoch_samples: the samples of an epoch, shared out by the weights of the data sets; as many as
        the data sets hold together where it is not given.
    val: measured after every `validate_every` epochs. val_limit: at most so many samples of it.
    workers: processes that load, for each process that trains; 0 loads between the steps.
    """

    train: Annotated[tuple[DataSource, ...], Meta(min_length=1)]
    val: DataSource
    epoch_samples: Positive | None = None
    val_limit: Positive | None = None
    workers: Annotated[int, Meta(ge=0)] = 1

    def __post_init__(self) -> None:
        if self.val.draws is not None or self.val.weight is not None:
            raise ValueError(
                "val takes neither draws nor weight: all of it is measured; to measure less, set "
                "val_limit"
            )
        weighted = [source.data for source in self.train if source.weight is not None]
        if weighted and len(weighted) < len(self.train):
            bare = next(source.data for source in self.train if source.weight is None)
            raise ValueError(
                f"expected a weight for every data set or for none, found one for {weighted[0]} "
                f"and none for {bare}; weights share out an epoch, draws count it"
            )
        if self.epoch_samples is not None and not weighted:
            raise ValueError(
                f"epoch_samples = {self.epoch_samples} is shared out by weight, found no weight "
                "in the mix; give every data set a weight, or use draws instead"
            )


class LossConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the loss of a segmentation task is made of: a cross-entropy, and what stands beside it.

    class_balance: the power of ENet's weights of rare classes in the cross-entropy: at 0 every
        pixel counts the same, and rare classes are left to `lovasz` or `dice`.
    lovasz, dice: the weight of the Lovasz and of the Dice loss. Of several processes each takes
        them over its own part of a batch.
    auxiliary: the weight of the loss of auxiliary heads, which exist in training only.
    label_smoothing: the part of the target that the cross-entropy spreads over all classes.
    """

    class_balance: Fraction = 1.0
    lovasz: NotNegative = 0.0
    dice: NotNegative = 0.0
    auxiliary: NotNegative = 0.0
    label_smoothing: Fraction = 0.0


class TrainConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A training run.

    name: its folder under `runs/`.
    crop: (width, height) in pixels of the augmented pictures, multiples of 32; smaller than the
        network's input trains faster and sees objects at the same scale.
    batch: samples that go through the network at a time, over all processes together.
    accumulate: batches that one optimisation step takes the mean gradient of, where memory holds
        no larger batch. Every loss, and a batch norm that is trained, still sees one batch.
    precision: as Lightning Fabric names it; "auto" is bf16 where the processor computes it.
    init: a checkpoint (a path, or the name of a network that ships) to start from: what fits by
        name and shape is taken, so that a network with other tasks can start from it too.
    imagenet: start the backbone from ImageNet weights; an error where there are none.
    frozen_stages: so many of the backbone's first stages, and its stem, keep those weights.
    frozen_norm: the backbone's batch norms keep their statistics, so that data sets of different
        look do not mix theirs.
    optimizer: see `make_optimizer`.
    learning_rate: the peak, after `warmup_epochs`; a cosine takes it to 1 % of that at the end.
    backbone_rate: the backbone's learning rate as a factor of that.
    gradient_clip: the largest norm of the gradient of all weights together.
    ema: the decay of the averaged weights, which are what is validated, saved and exported.
    loss: what the losses are made of.
    loss_weights: by task, how much its loss matters; 1 where not named, 0 turns the task off.
    weighting: how the losses become one gradient.
    quantization_aware: the export target whose 8 bits the run learns with: a short fine-tuning
        from `init` at a small learning rate, in float32, with all batch norms frozen.
    distillation: a teacher that the run also learns from, batch by batch.
    validate_every: epochs between validations; the last epoch is always validated.
    tensorboard: write what `metrics.jsonl` holds for TensorBoard too, into `tensorboard/`.
    """

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    model: ModelSpec
    data: DataConfig
    augmentation: Augmentation = Augmentation()
    crop: tuple[Annotated[int, Meta(ge=64, multiple_of=32)], ...] = (448, 320)
    seed: Annotated[int, Meta(ge=0, lt=1 << 32)] = 0
    epochs: Positive = 30
    batch: Positive = 8
    accumulate: Positive = 1
    precision: Literal["auto", "32-true", "bf16-mixed"] = "auto"
    init: str = ""
    imagenet: bool = False
    frozen_stages: Annotated[int, Meta(ge=0)] = 0
    frozen_norm: bool = False
    optimizer: Literal["adamw", "adam", "sgd"] = "adamw"
    learning_rate: PositiveFloat = 1e-3
    backbone_rate: PositiveFloat = 1.0
    weight_decay: NotNegative = 1e-2
    warmup_epochs: NotNegative = 1.0
    gradient_clip: PositiveFloat = 10.0
    ema: Annotated[float, Meta(ge=0, lt=1)] = 0.998
    loss: LossConfig = LossConfig()
    loss_weights: dict[str, NotNegative] = {}
    distillation: DistillationConfig | None = None
    quantization_aware: Literal["", "cpu", "openvino", "tensorrt", "tensorrt-rtx"] = ""
    weighting: WeightingConfig = WeightingConfig()
    validate_every: Positive = 1
    tensorboard: bool = False

    def __post_init__(self) -> None:
        if len(self.crop) != 2:
            raise ValueError(f"crop must be [width, height], found {list(self.crop)}")
        if self.quantization_aware and not self.init:
            raise ValueError(
                f"quantization_aware = {self.quantization_aware!r} fine-tunes a trained network, "
                "found no init; name its checkpoint there"
            )
        if self.quantization_aware and self.precision == "bf16-mixed":
            raise ValueError(
                "quantization_aware training takes float32, found precision = 'bf16-mixed'; leave "
                "precision out"
            )
        unknown = sorted(set(self.loss_weights) - {task.name for task in self.model.tasks})
        if unknown:
            names = [task.name for task in self.model.tasks]
            near = difflib.get_close_matches(unknown[0], names, n=1, cutoff=0.0)[0]
            raise ValueError(
                f"loss_weights names {unknown[0]!r}, which is no task; did you mean {near!r}? "
                f"Tasks: {', '.join(names)}"
            )
