"""`Wanted`: what a raw tensor of a spec asks of a network's output."""

from __future__ import annotations

from dataclasses import dataclass

from edge_mtl.spec import ModelSpec
from edge_mtl.tasks import ClassificationTask, DecodedDetectionTask, SegmentationTask, Task
from edge_mtl.tensor_spec import TensorSpec


@dataclass(frozen=True, slots=True)
class Wanted:
    """A raw tensor of the spec, and the activations that a network may have put behind its logits.

    undo: empty where the tensor holds no logits.
    size: (width, height) of the network's input.
    """

    task: Task
    tensor: TensorSpec
    undo: tuple[str, ...]
    size: tuple[int, int]


def wanted_outputs(spec: ModelSpec) -> list[Wanted]:
    """What the outputs of a network must be, in the order of the spec's."""
    width, height = spec.input.size
    return [
        Wanted(task, tensor, _undo(task, tensor), spec.input.size)
        for task in spec.tasks
        for tensor in task.tensors(width, height)
    ]


def _undo(task: Task, tensor: TensorSpec) -> tuple[str, ...]:
    if isinstance(task, DecodedDetectionTask) or "_boxes_" in tensor.name:
        return ()
    if isinstance(task, SegmentationTask) and not task.binary:
        return ("softmax", "sigmoid")
    if isinstance(task, ClassificationTask) and not task.multi_label:
        return ("softmax",)
    return () if "_points_" in tensor.name else ("sigmoid",)
