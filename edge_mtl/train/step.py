"""`Step`: one step of the optimiser, over one batch or several."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from edge_mtl.errors import EdgeMtlError
from edge_mtl.train.batch import Batch
from edge_mtl.train.distillation.distillation import Distillation
from edge_mtl.train.learner import Learner
from edge_mtl.train.losses import Losses
from edge_mtl.train.processes import (
    average_gradients,
    average_statistics,
    gather,
    mean_over_processes,
)


class TrainingError(EdgeMtlError):
    """A run has diverged."""


class Precision(Protocol):
    """What of Lightning Fabric a step needs."""

    @property
    def device(self) -> torch.device: ...

    def autocast(self) -> AbstractContextManager[None]: ...


@dataclass(frozen=True, slots=True)
class StepResult:
    """losses: by task, of each batch that has labels for it. totals: of each batch, the weighted
    sum. weights: by task, of the last batch. All over all processes."""

    losses: dict[str, list[float]]
    totals: list[float]
    weights: dict[str, float]


class Step:
    """Takes the optimiser one step along the mean gradient of some batches.

    gradient_clip: the largest norm of that gradient.
    distillation: adds what a teacher says to the losses.
    """

    def __init__(
        self,
        precision: Precision,
        learner: Learner,
        losses: Losses,
        gradient_clip: float,
        distillation: Distillation | None = None,
    ) -> None:
        self._precision = precision
        self._learner = learner
        self._losses = losses
        self._gradient_clip = gradient_clip
        self._distillation = distillation
        self._parameters = learner.parameters()

    def __call__(self, batches: Sequence[Batch]) -> StepResult:
        """Several processes each give their parts of the batches and end with the same weights.

        Raises:
            TrainingError: a loss or the gradient is not finite, in every process; no weight has
                changed.
        """
        learner = self._learner
        learner.optimizer.zero_grad(set_to_none=True)
        result = StepResult({}, [], {})
        for batch in batches:
            self._add_gradient(batch, len(batches), result)
        average_gradients(self._parameters)
        norm = clip_grad_norm_(self._parameters, self._gradient_clip)
        if not norm.isfinite():
            raise _diverged("gradient", {"total": result.totals[-1]}, batches)
        learner.optimizer.step()
        average_statistics(learner.network)
        if learner.quantization:
            average_statistics(learner.quantization)
        return result

    def _add_gradient(self, batch: Batch, share: int, result: StepResult) -> None:
        """Add the gradient of a batch, divided by `share`, and its losses to the result."""
        losses = self._losses_of(batch.to(self._precision.device))
        means = mean_over_processes(
            torch.stack([loss.detach() for loss in losses.values()])
        ).tolist()
        values = dict(zip(losses, means, strict=True))
        if not all(map(math.isfinite, means)):
            raise _diverged("loss", values, [batch])

        def backward(total: Tensor) -> None:
            (total / share).backward()  # type: ignore[no-untyped-call]

        weights = self._learner.weighting.backward(losses, backward)
        result.weights.update(weights)
        result.totals.append(sum(weights[name] * value for name, value in values.items()))
        for name, value in values.items():
            if value:  # exactly zero where no sample is labelled
                result.losses.setdefault(name, []).append(value)

    def _losses_of(self, batch: Batch) -> dict[str, Tensor]:
        learner = self._learner
        batch = replace(batch, image=batch.image.contiguous(memory_format=torch.channels_last))
        auxiliary = None
        soft: Mapping[str, Tensor] = {}
        with self._precision.autocast():
            with learner.quantization or nullcontext():
                features = learner.network.features(batch.image, batch.planes)
                raw = learner.network.outputs(features)
            if learner.auxiliary:
                auxiliary = _float(learner.auxiliary(features.backbone))
            if self._distillation:
                soft = self._distillation(raw, batch)
        losses = self._losses(_float(raw), batch, auxiliary)
        return {name: loss + soft[name] if name in soft else loss for name, loss in losses.items()}


def _float(outputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.float() for name, value in outputs.items()}


def _diverged(what: str, losses: Mapping[str, float], batches: Sequence[Batch]) -> TrainingError:
    shown = ", ".join(f"{name} {value:.3g}" for name, value in losses.items())
    names = gather(name for batch in batches for name in batch.names)
    return TrainingError(
        f"the {what} is not finite (losses: {shown}) on {', '.join(names)}; lower "
        "learning_rate, or look at these samples. The checkpoints of the last whole epoch are kept"
    )
