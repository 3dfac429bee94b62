"""The head in ONNX: Resize, ArgMax, decoding and NonMaxSuppression, to stand alone or behind a
network.

Every cell is decoded, as such graphs are exported: their shapes are fixed up to NonMaxSuppression,
which takes every class of a cell for itself, where the kernels take its best one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edge_mtl import reference
from edge_mtl.placement import Placement
from edge_mtl.scene import Classification, Detections, Mask, Poses, Scene
from edge_mtl.spec import ModelSpec
from edge_mtl.tasks import ClassificationTask, DetectionTask, PoseTask, SegmentationTask
from edge_mtl.tensor_spec import TensorSpec
from rivals.cell_grid import CellGrid
from rivals.mask_window import MaskWindow

OPSET, IR = 18, 9

_ELEMENT = {"float32": TensorProto.FLOAT, "uint8": TensorProto.UINT8}


class _Output(NamedTuple):
    """What a graph gives: its name, its element type and its rank."""

    name: str
    element: int
    rank: int


def head_graph(
    spec: ModelSpec,
    tensors: Sequence[TensorSpec],
    placement: Placement,
    mask_size: tuple[int, int],
) -> onnx.ModelProto:
    """A graph from the raw outputs, by their names, to those that `scene_of` takes.

    mask_size: (width, height).
    """
    return _HeadGraph(spec, tensors, placement, mask_size).model()


def scene_of(spec: ModelSpec, placement: Placement, found: Mapping[str, NDArray[Any]]) -> Scene:
    """What the graph's outputs, by name, say about a frame."""
    return Scene(
        placement.frame_size,
        {
            task.name: Detections(
                task.classes,
                found[f"{task.name}_corners"],
                found[f"{task.name}_scores"],
                found[f"{task.name}_class_ids"].astype(np.int32),
            )
            for task in spec.detections
        },
        {
            task.name: Mask(task.classes, found[f"{task.name}_labels"])
            for task in spec.segmentations
        },
        {
            task.name: Poses(
                task.keypoints,
                found[f"{task.name}_rows"].astype(np.int32),
                found[f"{task.name}_points"],
                found[f"{task.name}_visible"],
            )
            for task in spec.poses
        },
        {
            task.name: Classification(task.classes, found[f"{task.name}_sure"])
            for task in spec.classifications
        },
    )


class _HeadGraph:
    """Collects the nodes of a graph. A method adds some and returns the name of what they give."""

    def __init__(
        self,
        spec: ModelSpec,
        tensors: Sequence[TensorSpec],
        placement: Placement,
        mask_size: tuple[int, int],
    ) -> None:
        self._spec = spec
        self._tensors = {tensor.name: tensor for tensor in tensors}
        self._placement = placement
        self._mask_size = mask_size
        self._per_pixel = np.float32(placement.frame_per_pixel[0])
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def model(self) -> onnx.ModelProto:
        outputs = list(self._outputs())
        graph = helper.make_graph(
            self._nodes,
            "head",
            [
                helper.make_tensor_value_info(each.name, _ELEMENT[each.dtype], each.shape)
                for each in self._tensors.values()
            ],
            [
                helper.make_tensor_value_info(name, element, [None] * rank)
                for name, element, rank in outputs
            ],
            self._constants,
        )
        opsets = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR)
        onnx.checker.check_model(model)
        return model

    def _outputs(self) -> Iterator[_Output]:
        for surfaces in self._spec.segmentations:
            name = self._named(f"{surfaces.name}_labels", self._labels(surfaces))
            yield _Output(name, TensorProto.UINT8, 2)
        for things in self._spec.detections:
            poses = [pose for pose in self._spec.poses if pose.detection == things.name]
            yield from self._things(things, poses)
        for whole in self._spec.classifications:
            name = self._named(f"{whole.name}_sure", self._sure(whole))
            yield _Output(name, TensorProto.FLOAT, 1)

    def _add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"{kind.lower()}_{len(self._nodes)}_of_head"
        self._nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def _named(self, name: str, value: str) -> str:
        self._nodes.append(helper.make_node("Identity", [value], [name]))
        return name

    def _constant(self, value: Any, dtype: Any = np.float32) -> str:
        name = f"constant_{len(self._constants)}_of_head"
        self._constants.append(numpy_helper.from_array(np.array(value, dtype), name))
        return name

    def _whole(self, value: Any) -> str:
        return self._constant(value, np.int64)

    def _slice(self, values: str, taken: slice, axis: int) -> str:
        ends = (self._whole([each]) for each in (taken.start, taken.stop, axis))
        return self._add("Slice", values, *ends)

    def _dequantised(self, name: str) -> str:
        tensor = self._tensors[name]
        if tensor.dtype == "float32":
            return name
        scale, zero_point = (
            self._constant(tensor.scale),
            self._constant(tensor.zero_point, np.uint8),
        )
        return self._add("DequantizeLinear", name, scale, zero_point)

    def _labels(self, task: SegmentationTask) -> str:
        window = MaskWindow.of(self._placement, task.stride, self._mask_size)
        logits = self._slice(self._dequantised(task.name), window.rows, 2)
        channels = self._tensors[task.name].shape[1]
        sizes = self._whole([1, channels, *window.size[::-1]])
        resized = self._add("Resize", logits, "", "", sizes, mode="linear")
        inside = self._slice(resized, window.inside, 2)
        if task.binary:
            above = self._add("Greater", inside, self._constant(0))
            labels = self._add("Cast", above, to=TensorProto.UINT8)
            return self._add("Squeeze", labels, self._whole([0, 1]))
        winners = self._add("ArgMax", inside, axis=1, keepdims=0)
        labels = self._add("Cast", winners, to=TensorProto.UINT8)
        return self._add("Squeeze", labels, self._whole([0]))

    def _sure(self, task: ClassificationTask) -> str:
        logits = self._add("Reshape", self._dequantised(task.name), self._whole([-1]))
        if task.multi_label:
            return self._add("Sigmoid", logits)
        return self._add("Softmax", logits, axis=0)

    def _all_cells(self, task: DetectionTask | PoseTask, kind: int) -> str:
        """(C, N) values of all levels."""
        levels = []
        for stride in task.strides:
            values = self._dequantised(reference.level_names(task, stride)[kind])
            levels.append(self._add("Flatten", self._add("Squeeze", values, self._whole([0]))))
        return self._add("Concat", *levels, axis=1)

    def _boxes(self, task: DetectionTask, grid: CellGrid) -> str:
        """(N, 4) in pixels of the frame."""
        values = self._add("Transpose", self._all_cells(task, 1), perm=[1, 0])
        cells = len(grid.stride)
        if task.bins is None:
            units = self._add("Max", values, self._constant(0))
        else:
            by_side = self._add("Reshape", values, self._whole([4 * cells, task.bins]))
            weights = self._add("Softmax", by_side, axis=1)
            means = self._add("MatMul", weights, self._constant(np.arange(task.bins)[:, None]))
            units = self._add("Reshape", means, self._whole([cells, 4]))
        # Distances to the left and the top count from the centre backwards.
        signs = np.array([-1, -1, 1, 1], np.float32)
        steps = self._constant(grid.stride[:, None] * self._per_pixel * signs)
        centre = self._centres(grid)
        placed = self._constant(np.concatenate([centre, centre], 1))
        boxes = self._add("Add", self._add("Mul", units, steps), placed)
        above = self._add("Max", boxes, self._constant(0))
        return self._add("Min", above, self._constant(self._placement.frame_size * 2))

    def _centres(self, grid: CellGrid) -> NDArray[np.float32]:
        """(N, 2) in pixels of the frame."""
        corner = np.array([self._placement.x, self._placement.y], np.float32)
        return (grid.centre - corner) * self._per_pixel

    def _things(self, task: DetectionTask, poses: Sequence[PoseTask]) -> Iterator[_Output]:
        grid = CellGrid(task.strides, self._spec.input.size)
        boxes = self._boxes(task, grid)
        scores = self._add("Sigmoid", self._all_cells(task, 0))
        kept = self._add(
            "NonMaxSuppression",
            self._add("Unsqueeze", boxes, self._whole([0])),
            self._add("Unsqueeze", scores, self._whole([0])),
            self._whole([task.max_boxes]),
            self._constant([task.iou_threshold]),
            self._constant([task.score_threshold]),
        )
        pairs = self._slice(kept, slice(1, 3), 1)  # (n, 2): class, cell
        kept_scores = self._add("GatherND", scores, pairs)
        class_ids, cells = (
            self._add("Gather", kept, self._whole(column), axis=1) for column in (1, 2)
        )
        corners = self._add("Gather", boxes, cells)
        yield _Output(self._named(f"{task.name}_corners", corners), TensorProto.FLOAT, 2)
        yield _Output(self._named(f"{task.name}_scores", kept_scores), TensorProto.FLOAT, 1)
        yield _Output(self._named(f"{task.name}_class_ids", class_ids), TensorProto.INT64, 1)
        for pose in poses:
            has_pose = self._constant([name in pose.classes for name in task.classes], np.bool_)
            is_posed = self._add("Gather", has_pose, class_ids)
            rows = self._add("Squeeze", self._add("NonZero", is_posed), self._whole([0]))
            points, visible = self._keypoints(pose, grid, self._add("Gather", cells, rows))
            yield _Output(self._named(f"{pose.name}_rows", rows), TensorProto.INT64, 1)
            yield _Output(self._named(f"{pose.name}_points", points), TensorProto.FLOAT, 3)
            yield _Output(self._named(f"{pose.name}_visible", visible), TensorProto.FLOAT, 2)

    def _keypoints(self, pose: PoseTask, grid: CellGrid, cells: str) -> tuple[str, str]:
        offsets, logits = (
            self._add(
                "Transpose",
                self._add("Gather", self._all_cells(pose, kind), cells, axis=1),
                perm=[1, 0],
            )
            for kind in (0, 1)
        )
        pairs = self._add("Reshape", offsets, self._whole([-1, len(pose.keypoints), 2]))
        steps = self._constant(grid.stride[:, None, None] * self._per_pixel)
        placed = self._constant(self._centres(grid)[:, None])
        moved = self._add("Mul", pairs, self._add("Gather", steps, cells))
        points = self._add("Add", moved, self._add("Gather", placed, cells))
        return points, self._add("Sigmoid", logits)
