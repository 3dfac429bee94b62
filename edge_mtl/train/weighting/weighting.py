"""`Weighting`, what every method is to the training loop, and what most of them need."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import torch
from torch import Tensor, nn

from edge_mtl.train.processes import mean_over_processes

Backward = Callable[[Tensor], None]


class Weighting(Protocol):
    """Makes one gradient of the losses of several tasks.

    A task takes part in a batch where its loss requires a gradient and is not exactly zero. One
    that does not, since no sample is labelled for it, gets no gradient and keeps its weight.

    In a run of several processes each calls `backward` and `end_epoch` equally often, and comes to
    the same weights. The gradients that `backward` adds in each are then to be averaged over them.
    """

    def parameters(self) -> list[nn.Parameter]:
        """What the run's optimiser trains along with the network, without weight decay.

        On the CPU. Their gradients come from `backward` averaged over all processes.
        """

    def backward(self, losses: Mapping[str, Tensor], backward: Backward) -> dict[str, float]:
        """Add the gradients of a batch to `.grad`; give the weight of every task.

        Called several times before a step of the optimiser, it adds each batch's gradients to the
        earlier ones.

        losses: by task, a float32 scalar, not negative, all on one device; in every call those of
            the same tasks in the same order.
        backward: calls `backward` on a scalar, which it may first scale, as gradient accumulation
            does. Called at most once, and not where no task takes part. The scalar need not
            be the weighted loss: only its gradient counts.
        """

    def end_epoch(self, means: Mapping[str, float]) -> None:
        """Take in the mean loss of an epoch, by task, over all its batches in all processes.

        means: of the losses that `backward` was given; without those of tasks that no sample of
            the epoch was labelled for.
        """

    def state_dict(self) -> dict[str, Tensor]:
        """All that a resumed run needs to go on bit for bit; on the CPU."""

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Bring back what `state_dict` gave for the same tasks.

        Raises:
            KeyError, RuntimeError, ValueError: it is of another method or of other tasks.
        """


def participants(losses: Mapping[str, Tensor]) -> list[str]:
    """The tasks that take part in this process's batch."""
    values = torch.stack([loss.detach() for loss in losses.values()]).tolist()
    return [
        name
        for (name, loss), value in zip(losses.items(), values, strict=True)
        if loss.requires_grad and value != 0
    ]


def backward_sum(
    losses: Mapping[str, Tensor], weights: Mapping[str, float], backward: Backward
) -> None:
    """Call `backward` on the weighted sum of the losses that take part, if any do.

    A task without weight is left out: a gradient of zero would still let its parameters decay.
    """
    terms = [losses[name] * weights[name] for name in participants(losses) if weights[name]]
    if terms:
        backward(torch.stack(terms).sum())


def mean_losses(losses: Mapping[str, Tensor]) -> dict[str, float]:
    """By task that takes part in any process, the mean of its loss over all of them.

    It is the loss of the whole batch: what a loss is divided by is the same in all processes, so
    that one without labels counts, as 0.
    """
    here = participants(losses)
    values = torch.stack([loss.detach() for loss in losses.values()])
    parted = values.new_tensor([float(name in here) for name in losses])
    found = mean_over_processes(torch.stack([values * parted, parted]))
    return {
        name: mean for name, mean, part in zip(losses, *found.tolist(), strict=True) if part > 0
    }
