"""Raw outputs to a scene as an expression of PyTorch on the CPU.

Suppression is written in torch too, a step for each box that is kept: the one of torchvision needs
a torchvision that matches torch, which edge-mtl does not ask for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from edge_mtl import reference
from edge_mtl.placement import Placement
from edge_mtl.scene import Classification, Detections, Mask, Poses, Scene
from edge_mtl.spec import ModelSpec
from edge_mtl.tasks import ClassificationTask, DetectionTask, PoseTask, SegmentationTask
from edge_mtl.tensor_spec import TensorSpec
from rivals.cell_grid import CellGrid
from rivals.mask_window import MaskWindow
from rivals.scene_head import Raw, Tensors, scene_head


def open_head(
    spec: ModelSpec,
    tensors: Sequence[TensorSpec],
    placement: Placement,
    mask_size: tuple[int, int],
    way: str = "argmax",
    device: str = "cpu",
) -> Callable[[Raw], Scene]:
    """mask_size: (width, height). way: how the mask is made of the resized logits. "argmax" is how
    everybody writes it; "max" gives the same several times as fast, since it is vectorised over
    pixels. device: where the raw outputs lie; what is left for suppression leaves it."""
    head = scene_head(
        spec,
        tensors,
        placement,
        lambda task, tensor: _Segmentation(task, tensor, placement, mask_size, way),
        lambda task, poses, by_name: _Detection(
            task, poses, by_name, spec.input.size, placement, device
        ),
        _Classes,
    )
    return torch.inference_mode()(head)


class _Segmentation:
    def __init__(
        self,
        task: SegmentationTask,
        tensor: TensorSpec,
        placement: Placement,
        mask_size: tuple[int, int],
        way: str,
    ) -> None:
        self._task = task
        self._window = MaskWindow.of(placement, task.stride, mask_size)
        self._winners = _WINNERS[way]
        self._zero = 0 if tensor.dtype == "float32" else tensor.zero_point

    def __call__(self, raw: Raw) -> Mask:
        logits = raw[self._task.name][:, :, self._window.rows].float()
        size = self._window.size[::-1]
        resized = F.interpolate(logits, size, mode="bilinear", align_corners=False)
        inside = resized[:, :, self._window.inside]
        labels = inside[:, 0] > self._zero if self._task.binary else self._winners(inside)
        return Mask(self._task.classes, labels[0].byte().cpu().numpy())


class _Detection:
    """Boxes, and the keypoints of those that have some."""

    def __init__(
        self,
        task: DetectionTask,
        poses: Sequence[PoseTask],
        tensors: Tensors,
        input_size: tuple[int, int],
        placement: Placement,
        device: str,
    ) -> None:
        self._task, self._tensors = task, tensors
        grid = CellGrid(task.strides, input_size)
        self._spans = grid.spans
        self._strides = torch.from_numpy(grid.stride).to(device)
        centres = torch.from_numpy(grid.centre) - torch.tensor([placement.x, placement.y])
        self._centres = centres.to(device)
        self._bins = torch.arange(task.bins or 1, dtype=torch.float32, device=device)
        self._per_pixel = placement.frame_per_pixel[0]
        self._limits = torch.tensor(placement.frame_size * 2, dtype=torch.float32, device=device)
        self._min_logit = reference.logit(task.score_threshold)
        self._poses = {
            pose: torch.tensor([task.classes.index(name) for name in pose.classes])
            for pose in poses
        }

    def __call__(self, raw: Raw) -> tuple[Detections, dict[str, Poses]]:
        logits = self._scores(raw)
        best, class_ids = logits.max(0)
        cells = (best > self._min_logit).nonzero()[:, 0]
        class_ids, scores = class_ids[cells].cpu(), best[cells].sigmoid().cpu()
        boxes = self._decoded(raw, cells).cpu()
        cells = cells.cpu()
        kept = _suppress(boxes, scores, class_ids, self._task.iou_threshold)
        kept = kept[: self._task.max_boxes]
        of_kept = boxes[kept], scores[kept], class_ids[kept].int()
        found = Detections(self._task.classes, *(each.numpy() for each in of_kept))
        poses = {}
        for pose, with_keypoints in self._poses.items():
            rows = torch.isin(class_ids[kept], with_keypoints).nonzero()[:, 0]
            points, visible = self._keypoints(raw, pose, cells[kept[rows]])
            poses[pose.name] = Poses(
                pose.keypoints, rows.int().numpy(), points.cpu().numpy(), visible.cpu().numpy()
            )
        return found, poses

    def _dequantised(self, name: str, values: Tensor) -> Tensor:
        tensor = self._tensors[name]
        if tensor.dtype == "float32":
            return values.float()
        return (values.float() - tensor.zero_point) * tensor.scale

    def _scores(self, raw: Raw) -> Tensor:
        """(C, N) logits of all cells."""
        names = [reference.level_names(self._task, stride)[0] for stride in self._spans]
        return torch.cat([self._dequantised(each, raw[each][0]).flatten(1) for each in names], 1)

    def _at_cells(
        self, raw: Raw, task: DetectionTask | PoseTask, kind: int, cells: Tensor
    ) -> Tensor:
        """(n, C) values of some cells; `kind` as in `reference.level_names`."""
        names = [reference.level_names(task, stride)[kind] for stride in self._spans]
        of_first = raw[names[0]]
        cells = cells.to(of_first.device)
        values = torch.empty(len(cells), of_first.shape[1], device=of_first.device)
        for name, (first, last) in zip(names, self._spans.values(), strict=True):
            here = ((cells >= first) & (cells < last)).nonzero()[:, 0]
            of_level = raw[name][0].flatten(1)[:, cells[here] - first]
            values[here] = self._dequantised(name, of_level).T
        return values

    def _decoded(self, raw: Raw, cells: Tensor) -> Tensor:
        """(n, 4) in pixels of the frame."""
        values = self._at_cells(raw, self._task, 1, cells)
        if self._task.bins is None:
            units = values.clamp(min=0)
        else:
            units = values.view(-1, 4, len(self._bins)).softmax(2) @ self._bins
        reach = units * self._strides[cells, None]
        centre = self._centres[cells]
        boxes = torch.cat([centre - reach[:, :2], centre + reach[:, 2:]], 1)
        boxes *= self._per_pixel
        return boxes.clamp(min=0).minimum(self._limits)

    def _keypoints(self, raw: Raw, pose: PoseTask, cells: Tensor) -> tuple[Tensor, Tensor]:
        """(n, K, 2) points in the frame, (n, K) scores."""
        offsets = self._at_cells(raw, pose, 0, cells).view(len(cells), len(pose.keypoints), 2)
        points = offsets * self._strides[cells, None, None] + self._centres[cells, None]
        return points * self._per_pixel, self._at_cells(raw, pose, 1, cells).sigmoid()


class _Classes:
    def __init__(self, task: ClassificationTask, tensor: TensorSpec) -> None:
        self._task, self._tensor = task, tensor

    def __call__(self, raw: Raw) -> Classification:
        logits = raw[self._task.name].flatten().float()
        if self._tensor.dtype != "float32":
            logits = (logits - self._tensor.zero_point) * self._tensor.scale
        scores = logits.sigmoid() if self._task.multi_label else logits.softmax(0)
        return Classification(self._task.classes, scores.cpu().numpy())


# (1, C, h, w) to (1, h, w).
_WINNERS: dict[str, Callable[[Tensor], Tensor]] = {
    "argmax": lambda logits: logits.argmax(1),
    "max": lambda logits: logits.max(1).indices,
}


def _suppress(boxes: Tensor, scores: Tensor, class_ids: Tensor, iou_threshold: float) -> Tensor:
    """The boxes that are kept, best first. Boxes of different classes are moved apart, so that they
    do not overlap."""
    order = scores.argsort(descending=True)
    if not len(order):
        return order
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
        left = left[shared <= iou_threshold * union]
    return order[torch.stack(kept)]
