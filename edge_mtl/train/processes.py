"""The processes that train one network together, as torchrun starts them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any, Literal

import lightning_fabric
import torch
import torch.distributed
from lightning_fabric.strategies.ddp import DDPStrategy
from torch import Tensor, nn

from edge_mtl.errors import UsageError

# The others wait while the first process validates.
_PATIENCE = timedelta(hours=6)


def start_fabric(precision: Literal["32-true", "bf16-mixed"]) -> lightning_fabric.Fabric:
    """This process on its device, joined with the others where torchrun started several.

    On a CPU they talk through gloo, on GPUs, one each, through NCCL.

    Raises:
        UsageError: there are more processes on this node than GPUs.
    """
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return lightning_fabric.Fabric(devices=1, precision=precision)
    here, everywhere = int(os.environ["LOCAL_WORLD_SIZE"]), int(os.environ["WORLD_SIZE"])
    if torch.cuda.is_available() and torch.cuda.device_count() < here:
        raise UsageError(
            f"expected a GPU for each of the {here} processes of this node, found "
            f"{torch.cuda.device_count()}; start torchrun with --nproc-per-node "
            f"{torch.cuda.device_count()}"
        )
    fabric = lightning_fabric.Fabric(
        strategy=DDPStrategy(timeout=_PATIENCE),
        devices=here,
        num_nodes=everywhere // here,
        precision=precision,
    )
    fabric.launch()
    return fabric


def process_count() -> int:
    joined = torch.distributed.is_available() and torch.distributed.is_initialized()
    return torch.distributed.get_world_size() if joined else 1


def leave() -> None:
    """Part from the other processes at the end of a run; one that fails does not wait for them."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def mean_over_processes(values: Tensor) -> Tensor:
    """The mean over all processes, each of which has to call this; one process has its own."""
    if process_count() == 1:
        return values
    mean = values.clone()
    torch.distributed.all_reduce(mean)
    return mean / process_count()


def average_gradients(parameters: Sequence[nn.Parameter]) -> None:
    """Give each process the mean of the gradients of all.

    What has a gradient somewhere counts as zero elsewhere, what has none anywhere keeps none, so
    that the optimiser leaves it alone. Not `DistributedDataParallel`, which averages during one
    backward pass: a step may take several, and a part of a batch may lack the labels of a task.
    """
    if process_count() == 1:
        return
    flat = [
        torch.zeros_like(each).flatten() if each.grad is None else each.grad.flatten()
        for each in parameters
    ]
    there = flat[0].new_tensor([each.grad is not None for each in parameters])
    *means, found = torch.split(
        mean_over_processes(torch.cat([*flat, there])), [*map(torch.numel, flat), len(flat)]
    )
    for parameter, mean, part in zip(parameters, means, found.tolist(), strict=True):
        parameter.grad = mean.view_as(parameter) if part else None


def average_statistics(counting: nn.Module) -> None:
    """Give each process the mean of what the buffers of all hold: batch norms and ranges."""
    counted = [each for each in counting.buffers() if each.is_floating_point()]
    if process_count() == 1 or not counted:
        return
    means = mean_over_processes(torch.cat([each.flatten() for each in counted]))
    parts = torch.split(means, list(map(torch.numel, counted)))
    for each, mean in zip(counted, parts, strict=True):
        each.copy_(mean.view_as(each))


def gather(values: Iterable[Any]) -> list[Any]:
    """The values of all processes, those of the first process first."""
    mine = list(values)
    if process_count() == 1:
        return mine
    parts: list[list[Any]] = [[] for _ in range(process_count())]
    torch.distributed.all_gather_object(parts, mine)
    return [value for part in parts for value in part]
