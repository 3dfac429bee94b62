"""The head as part of the network's own graph, run by ONNX Runtime or OpenVINO: Resize, ArgMax,
decode and NonMaxSuppression in ONNX.

Every cell is decoded, as such graphs are exported: their shapes are fixed up to NonMaxSuppression,
which takes every class of a cell for itself. Of the benchmark's cells only one class is above the
threshold, so that the answer is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnx
from head_result import HeadResult
from kernel_inputs import PLACEMENT, POSES, SPEC, SURFACES, THINGS, THREADS, HeadInputs
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edge_mtl import reference
from edge_mtl.tasks import DetectionTask, PoseTask
from rivals.cell_grid import CellGrid
from rivals.mask_window import MaskWindow

Infer = Callable[[Mapping[str, NDArray[Any]]], tuple[NDArray[Any], ...]]

_OPSET, _IR = 18, 9


class Head:
    """A graph of nothing but the head. way: what runs it, "onnxruntime" or "openvino"."""

    def __init__(self, inputs: HeadInputs, mask_size: tuple[int, int], way: str) -> None:
        self._infer = _RUNTIMES[way](_HeadGraph(inputs, mask_size).model().SerializeToString())

    def __call__(self, raw: Mapping[str, NDArray[Any]]) -> HeadResult:
        return HeadResult(*self._infer(raw))


def _in_onnxruntime(model: bytes) -> Infer:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    session: Any = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return lambda raw: session.run(None, raw)


def _in_openvino(model: bytes) -> Infer:
    from edge_mtl.runtime.engines.ov import core

    options = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": str(THREADS),
    }
    compiled = core().compile_model(core().read_model(model), "CPU", options)
    request = compiled.create_infer_request()

    def infer(raw: Mapping[str, NDArray[Any]]) -> tuple[NDArray[Any], ...]:
        found = request.infer(raw, share_inputs=True, share_outputs=True)
        return tuple(found.to_tuple())

    return infer


_RUNTIMES: dict[str, Callable[[bytes], Infer]] = {
    "onnxruntime": _in_onnxruntime,
    "openvino": _in_openvino,
}


class _HeadGraph:
    """Collects the nodes of a graph. A method adds some and returns the name of what they give."""

    def __init__(self, inputs: HeadInputs, mask_size: tuple[int, int]) -> None:
        self._inputs = inputs
        self._window = MaskWindow.of(PLACEMENT, SURFACES.stride, mask_size)
        self._grid = CellGrid(THINGS.strides, SPEC.input.size)
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def model(self) -> onnx.ModelProto:
        labels = self._labels()
        outputs = labels, *self._things()
        types = [TensorProto.UINT8, *[TensorProto.FLOAT] * 2, *[TensorProto.INT64] * 2]
        types += [TensorProto.FLOAT] * 2
        ranks = 2, 2, 1, 1, 1, 3, 2
        element = {"float32": TensorProto.FLOAT, "uint8": TensorProto.UINT8}
        graph = helper.make_graph(
            self._nodes,
            "head",
            [
                helper.make_tensor_value_info(each.name, element[each.dtype], each.shape)
                for each in self._inputs.tensors
            ],
            [
                helper.make_tensor_value_info(name, kind, [None] * rank)
                for name, kind, rank in zip(outputs, types, ranks, strict=True)
            ],
            self._constants,
        )
        opsets = [helper.make_opsetid("", _OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR)
        onnx.checker.check_model(model)
        return model

    def _add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"{kind.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def _constant(self, value: Any, dtype: Any = np.float32) -> str:
        name = f"constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.array(value, dtype), name))
        return name

    def _whole(self, value: Any) -> str:
        return self._constant(value, np.int64)

    def _slice(self, values: str, taken: slice, axis: int) -> str:
        ends = (self._whole([each]) for each in (taken.start, taken.stop, axis))
        return self._add("Slice", values, *ends)

    def _dequantised(self, name: str) -> str:
        tensor = self._inputs.tensor(name)
        if tensor.dtype == "float32":
            return name
        scale, zero_point = (
            self._constant(tensor.scale),
            self._constant(tensor.zero_point, np.uint8),
        )
        return self._add("DequantizeLinear", name, scale, zero_point)

    def _labels(self) -> str:
        window = self._slice(self._dequantised(SURFACES.name), self._window.rows, 2)
        sizes = self._whole([1, len(SURFACES.classes), *self._window.size[::-1]])
        resized = self._add("Resize", window, "", "", sizes, mode="linear")
        inside = self._slice(resized, self._window.inside, 2)
        winners = self._add("ArgMax", inside, axis=1, keepdims=0)
        labels = self._add("Cast", winners, to=TensorProto.UINT8)
        return self._add("Squeeze", labels, self._whole([0]))

    def _all_cells(self, task: DetectionTask | PoseTask, kind: int) -> str:
        """(C, N) values of all levels."""
        levels = []
        for stride in self._grid.spans:
            values = self._dequantised(reference.level_names(task, stride)[kind])
            levels.append(self._add("Flatten", self._add("Squeeze", values, self._whole([0]))))
        return self._add("Concat", *levels, axis=1)

    def _boxes(self) -> str:
        """(N, 4) in pixels of the frame."""
        bins = THINGS.bins or 1
        cells = len(self._grid.stride)
        values = self._add("Transpose", self._all_cells(THINGS, 1), perm=[1, 0])
        by_side = self._add("Reshape", values, self._whole([4 * cells, bins]))
        weights = self._add("Softmax", by_side, axis=1)
        numbers = self._constant(np.arange(bins)[:, None])
        reach = self._add("Reshape", self._add("MatMul", weights, numbers), self._whole([cells, 4]))
        # Distances to the left and the top count from the centre backwards.
        per_pixel = np.float32(PLACEMENT.frame_per_pixel[0])
        signs = np.array([-1, -1, 1, 1], np.float32)
        steps = self._constant(self._grid.stride[:, None] * per_pixel * signs)
        centre = (self._grid.centre - np.array([PLACEMENT.x, PLACEMENT.y])) * per_pixel
        placed = self._constant(np.concatenate([centre, centre], 1))
        boxes = self._add("Add", self._add("Mul", reach, steps), placed)
        above = self._add("Max", boxes, self._constant(0))
        return self._add("Min", above, self._constant(PLACEMENT.frame_size * 2))

    def _things(self) -> tuple[str, str, str, str, str, str]:
        """Boxes, scores, class ids; rows, points and scores of the keypoints."""
        boxes = self._boxes()
        scores = self._add("Sigmoid", self._all_cells(THINGS, 0))
        kept = self._add(
            "NonMaxSuppression",
            self._add("Unsqueeze", boxes, self._whole([0])),
            self._add("Unsqueeze", scores, self._whole([0])),
            self._whole([THINGS.max_boxes]),
            self._constant([THINGS.iou_threshold]),
            self._constant([THINGS.score_threshold]),
        )
        class_ids, cells = (
            self._add("Gather", kept, self._whole(column), axis=1) for column in (1, 2)
        )
        pairs = self._slice(kept, slice(1, 3), 1)
        kept_scores = self._add("GatherND", scores, pairs)
        is_person = self._add(
            "Equal", class_ids, self._whole(THINGS.classes.index(POSES.classes[0]))
        )
        rows = self._add("Squeeze", self._add("NonZero", is_person), self._whole([0]))
        points, visible = self._keypoints(self._add("Gather", cells, rows))
        kept_boxes = self._add("Gather", boxes, cells)
        return kept_boxes, kept_scores, class_ids, rows, points, visible

    def _keypoints(self, cells: str) -> tuple[str, str]:
        offsets, logits = (
            self._add(
                "Transpose",
                self._add("Gather", self._all_cells(POSES, kind), cells, axis=1),
                perm=[1, 0],
            )
            for kind in (0, 1)
        )
        per_pixel = np.float32(PLACEMENT.frame_per_pixel[0])
        pairs = self._add("Reshape", offsets, self._whole([-1, len(POSES.keypoints), 2]))
        steps = self._constant(self._grid.stride[:, None, None] * per_pixel)
        centre = (self._grid.centre - np.array([PLACEMENT.x, PLACEMENT.y])) * per_pixel
        placed = self._constant(centre[:, None])
        moved = self._add("Mul", pairs, self._add("Gather", steps, cells))
        points = self._add("Add", moved, self._add("Gather", placed, cells))
        return points, self._add("Sigmoid", logits)
