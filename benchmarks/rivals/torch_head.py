"""Raw outputs to results as an expression of PyTorch on the CPU.

Suppression is written in torch too, a step for each box that is kept: the one of torchvision needs
a torchvision that matches torch, which edge-mtl does not ask for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from head_result import HeadResult
from kernel_inputs import PLACEMENT, POSES, SPEC, SURFACES, THINGS, HeadInputs
from numpy.typing import NDArray
from torch import Tensor

from edge_mtl import reference
from edge_mtl.tasks import DetectionTask, PoseTask
from rivals.cell_grid import CellGrid
from rivals.mask_window import MaskWindow


class Head:
    """way: how the mask is made of the resized logits. "argmax" is how everybody writes it; "max"
    gives the same several times as fast, since it is vectorised over pixels."""

    def __init__(self, inputs: HeadInputs, mask_size: tuple[int, int], way: str) -> None:
        self._inputs = inputs
        self._winners = _WINNERS[way]
        self._window = MaskWindow.of(PLACEMENT, SURFACES.stride, mask_size)
        grid = CellGrid(THINGS.strides, SPEC.input.size)
        self._spans = grid.spans
        self._strides = torch.from_numpy(grid.stride)
        self._centres = torch.from_numpy(grid.centre) - torch.tensor([PLACEMENT.x, PLACEMENT.y])
        self._bins = torch.arange(THINGS.bins or 1, dtype=torch.float32)
        self._limits = torch.tensor(PLACEMENT.frame_size * 2, dtype=torch.float32)
        self._min_logit = reference.logit(THINGS.score_threshold)
        self._person = THINGS.classes.index(POSES.classes[0])

    @torch.inference_mode()
    def __call__(self, raw: dict[str, NDArray[Any]]) -> HeadResult:
        tensors = {name: torch.from_numpy(values) for name, values in raw.items()}
        window = tensors[SURFACES.name][:, :, self._window.rows].float()
        size = self._window.size[::-1]
        resized = F.interpolate(window, size, mode="bilinear", align_corners=False)
        labels = self._winners(resized[:, :, self._window.inside])[0].byte()

        logits = self._scores(tensors)
        best, class_ids = logits.max(0)
        cells = (best > self._min_logit).nonzero()[:, 0]
        class_ids, scores = class_ids[cells], best[cells].sigmoid()
        boxes = self._boxes(tensors, cells)
        kept = _suppress(boxes, scores, class_ids)[: THINGS.max_boxes]
        rows = (class_ids[kept] == self._person).nonzero()[:, 0]
        points, visible = self._keypoints(tensors, cells[kept[rows]])
        found = boxes[kept], scores[kept], class_ids[kept], rows, points, visible
        return HeadResult(labels.numpy(), *(each.numpy() for each in found))

    def _dequantised(self, name: str, values: Tensor) -> Tensor:
        tensor = self._inputs.tensor(name)
        if tensor.dtype == "float32":
            return values
        return (values.float() - tensor.zero_point) * tensor.scale

    def _scores(self, tensors: dict[str, Tensor]) -> Tensor:
        """(C, N) logits of all cells."""
        names = [reference.level_names(THINGS, stride)[0] for stride in self._spans]
        return torch.cat(
            [self._dequantised(each, tensors[each][0]).flatten(1) for each in names], 1
        )

    def _at_cells(
        self,
        tensors: dict[str, Tensor],
        task: DetectionTask | PoseTask,
        kind: int,
        cells: Tensor,
    ) -> Tensor:
        """(n, C) values of some cells; `kind` as in `reference.level_names`."""
        names = [reference.level_names(task, stride)[kind] for stride in self._spans]
        values = torch.empty(len(cells), tensors[names[0]].shape[1])
        for name, (first, last) in zip(names, self._spans.values(), strict=True):
            here = ((cells >= first) & (cells < last)).nonzero()[:, 0]
            of_level = tensors[name][0].flatten(1)[:, cells[here] - first]
            values[here] = self._dequantised(name, of_level).T
        return values

    def _boxes(self, tensors: dict[str, Tensor], cells: Tensor) -> Tensor:
        """(n, 4) in pixels of the frame."""
        bins = self._at_cells(tensors, THINGS, 1, cells).view(-1, 4, len(self._bins))
        reach = bins.softmax(2) @ self._bins * self._strides[cells, None]
        centre = self._centres[cells]
        boxes = torch.cat([centre - reach[:, :2], centre + reach[:, 2:]], 1)
        boxes *= PLACEMENT.frame_per_pixel[0]
        return boxes.clamp(min=0).minimum(self._limits)

    def _keypoints(self, tensors: dict[str, Tensor], cells: Tensor) -> tuple[Tensor, Tensor]:
        """(n, K, 2) points in the frame, (n, K) scores."""
        offsets = self._at_cells(tensors, POSES, 0, cells).view(len(cells), -1, 2)
        points = offsets * self._strides[cells, None, None] + self._centres[cells, None]
        visible = self._at_cells(tensors, POSES, 1, cells).sigmoid()
        return points * PLACEMENT.frame_per_pixel[0], visible


# (1, C, h, w) to (1, h, w).
_WINNERS: dict[str, Callable[[Tensor], Tensor]] = {
    "argmax": lambda logits: logits.argmax(1),
    "max": lambda logits: logits.max(1).indices,
}


def _suppress(boxes: Tensor, scores: Tensor, class_ids: Tensor) -> Tensor:
    """The boxes that are kept, best first. Boxes of different classes are moved apart, so that they
    do not overlap."""
    order = scores.argsort(descending=True)
    apart = boxes[order] + (class_ids[order] * (boxes.max() + 1))[:, None]
    areas = (apart[:, 2:] - apart[:, :2]).prod(1)
    left = torch.arange(len(order))
    kept = []
    while len(left):
        best, left = left[0], left[1:]
        kept.append(best)
        corner = apart[left, :2].maximum(apart[best, :2])
        opposite = apart[left, 2:].minimum(apart[best, 2:])
        shared = (opposite - corner).clamp(min=0).prod(1)
        union = areas[left] + areas[best] - shared
        left = left[shared <= THINGS.iou_threshold * union]
    return order[torch.stack(kept)] if kept else order[:0]
