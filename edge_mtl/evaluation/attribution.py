"""Which pixels a result hangs on: the gradient of a network's answers with respect to its input.

Simonyan et al., 2013, arXiv:1312.6034. Grad-CAM (Selvaraju et al., 2016, arXiv:1610.02391) was
tried and does not say where: it averages the weight of a feature over the whole picture, while a
task here answers cell by cell, so it lights up wherever the feature is, far from what was found.
The gradient of the input needs nothing of a network but that it can be differentiated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edge_mtl.evaluation.classification import HOLDS
from edge_mtl.placement import Placement
from edge_mtl.runtime.palette import tints_of
from edge_mtl.spec import ModelSpec
from edge_mtl.tasks import ClassificationTask, DetectionTask, PoseTask, SegmentationTask, Task

_BLUR_SHARE = 1 / 160
"""Of the input's width, the sigma of the blur: single pixels of a gradient are noise."""


@dataclass(frozen=True, slots=True)
class Attribution:
    """What an answer hangs on.

    answer: a class, or what was found.
    heat: (H, W) float32 in [0, 1], over the part of the network's input that the picture fills:
        how much the answer changes with a pixel, against the pixel where it changes most.
    """

    answer: str
    heat: NDArray[np.float32]


def attributions(
    network: nn.Module,
    spec: ModelSpec,
    image: NDArray[np.float32],
    placement: Placement,
    most: int,
    planes: Mapping[str, NDArray[np.float32]] | None = None,
) -> dict[str, list[Attribution]]:
    """Explain what a network says about one picture, task by task.

    Args:
        network: in evaluation mode; gives the raw outputs of `spec`.
        image: (1, 3, H, W) float32, as the preprocessing writes it.
        placement: where the picture lies in it; answers about the padding are left out.
        most: at most so many answers a task, those with the most pixels or objects first.
        planes: by name, (1, 1, H, W) float32, as `PlaneWriter` writes them; the answers hang on
            them too, but the heat is that of the picture.

    Returns:
        By task that says anything, its answers: the classes that a mask holds and that are drawn
        (no background), the classes whose boxes pass the score threshold, all poses together,
        the classes that hold for the picture.
    """
    device = next(network.parameters()).device
    pixels = torch.from_numpy(image).to(device).requires_grad_()
    beside = {name: torch.from_numpy(plane).to(device) for name, plane in (planes or {}).items()}
    raw = network(pixels, beside) if beside else network(pixels)
    found = {}
    for task in spec.tasks:
        answers = sorted(_answers(task, spec, raw, placement), key=lambda each: -each[2])[:most]
        if answers:
            found[task.name] = [
                Attribution(name, _heat(target, pixels, placement)) for name, target, _ in answers
            ]
    return found


def _heat(target: Tensor, pixels: Tensor, placement: Placement) -> NDArray[np.float32]:
    [gradient] = torch.autograd.grad(target, pixels, retain_graph=True)
    size = _inside(gradient[0].abs().sum(0), placement, 1).cpu().numpy()
    blurred = cv2.GaussianBlur(size, (0, 0), _BLUR_SHARE * pixels.shape[3])
    heat: NDArray[np.float32] = blurred / max(float(blurred.max()), 1e-12)
    return heat


def _answers(
    task: Task, spec: ModelSpec, raw: Mapping[str, Tensor], placement: Placement
) -> Iterator[tuple[str, Tensor, int]]:
    """The name of each answer, the sum of the logits that speak for it, and how many these are."""
    if isinstance(task, SegmentationTask):
        yield from _of_mask(task, _inside(raw[task.name][0], placement, task.stride))
    elif isinstance(task, DetectionTask):
        yield from _of_boxes(task, raw, placement)
    elif isinstance(task, PoseTask):
        yield from _of_poses(task, spec, raw, placement)
    elif isinstance(task, ClassificationTask):
        yield from _of_picture(task, raw[task.name][0, :, 0, 0])


def _inside(cells: Tensor, placement: Placement, stride: int) -> Tensor:
    """Those of (..., H / stride, W / stride) cells that the picture fills, in part at least."""
    bottom, right = placement.y + placement.height, placement.x + placement.width
    return cells[
        ...,
        placement.y // stride : -(-bottom // stride),
        placement.x // stride : -(-right // stride),
    ]


def _of_mask(task: SegmentationTask, logits: Tensor) -> Iterator[tuple[str, Tensor, int]]:
    if task.binary:
        logits = torch.cat([-logits, logits])
    winner = logits.argmax(0)
    for class_id, (name, tint) in enumerate(zip(task.classes, tints_of(task.classes), strict=True)):
        where = winner == class_id
        if tint.cover and where.any():
            yield name, logits[class_id][where].sum(), int(where.sum())


def _of_boxes(
    task: DetectionTask, raw: Mapping[str, Tensor], placement: Placement
) -> Iterator[tuple[str, Tensor, int]]:
    levels = [
        _inside(raw[f"{task.name}_scores_{stride}"][0], placement, stride)
        for stride in task.strides
    ]
    logits = torch.cat([level.flatten(1) for level in levels], 1)
    passing = logits.sigmoid() > task.score_threshold
    for class_id, name in enumerate(task.classes):
        if passing[class_id].any():
            where = passing[class_id]
            yield name, logits[class_id][where].sum(), int(where.sum())


def _of_poses(
    task: PoseTask, spec: ModelSpec, raw: Mapping[str, Tensor], placement: Placement
) -> Iterator[tuple[str, Tensor, int]]:
    detection = next(each for each in spec.detections if each.name == task.detection)
    class_ids = [detection.classes.index(name) for name in task.classes]
    logits, cells = [], 0
    for stride in task.strides:
        found, visible = (
            _inside(raw[name][0], placement, stride)
            for name in (f"{detection.name}_scores_{stride}", f"{task.name}_visible_{stride}")
        )
        where = found[class_ids].amax(0).sigmoid() > detection.score_threshold
        logits.append(visible[:, where].sum())
        cells += int(where.sum())
    if cells:
        yield "visible keypoints", torch.stack(logits).sum(), cells


def _of_picture(task: ClassificationTask, logits: Tensor) -> Iterator[tuple[str, Tensor, int]]:
    holds = logits.sigmoid() >= HOLDS if task.multi_label else logits == logits.max()
    for class_id, name in enumerate(task.classes):
        if holds[class_id]:
            yield name, logits[class_id], 1
