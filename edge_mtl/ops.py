"""The face of the kernels: camera frame to engine input, raw outputs to results.

Each operator is built once for a network and then called for every frame; it holds its tables and
scratch memory and allocates nothing but the arrays that it returns. The work is done by the
compiled module `edge_mtl._kernels` with the GIL released, or, where that is missing, by the NumPy
twins in `edge_mtl.reference`, which give the same results slowly.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_mtl import reference
from edge_mtl.errors import EdgeMtlError
from edge_mtl.placement import Placement
from edge_mtl.reference import MaskSize
from edge_mtl.scene import Detections, Mask
from edge_mtl.spec import InputSpec, ModelSpec, TensorSpec

_why_not_compiled: str | None = None
try:
    from edge_mtl import _kernels
except ImportError as error:
    _why_not_compiled = (
        f"the compiled kernels are missing ({error}): the NumPy twins stand in for them and are "
        "many times slower. Install a C++17 compiler and run: pip install --force-reinstall "
        "--no-deps edge-mtl (in a clone: pip install -e .)"
    )
    logging.getLogger(__name__).warning(_why_not_compiled)


def compiled() -> str | None:
    """The instruction set that the compiled kernels use here; None where the twins stand in."""
    return None if _why_not_compiled else _kernels.instruction_set()


def why_not_compiled() -> str | None:
    """Why the compiled kernels are missing and how to get them; None where they are there."""
    return _why_not_compiled


class Preprocessor:
    """Turns camera frames into the input of one engine, in one pass.

    Args:
        network_input: size, padding and normalisation of the network's input.
        tensor: the engine's input tensor: (1, 3, height, width), float32 or quantised.

    Raises:
        EdgeMtlError: the tensor does not fit the network's input.
    """

    def __init__(self, network_input: InputSpec, tensor: TensorSpec) -> None:
        expected = (1, 3, network_input.height, network_input.width)
        _check_tensor(tensor, expected)
        self._input = network_input
        self._tensor = tensor
        if not _why_not_compiled:
            table = reference.pixel_table(network_input, tensor)
            self._kernel = _kernels.Preprocessor(
                network_input.width, network_input.height, network_input.pad, table
            )

    def __call__(self, frame: NDArray[np.uint8], placement: Placement, out: NDArray[Any]) -> None:
        """Write `frame` into `out` as `reference.preprocess` defines it.

        Args:
            frame: (H, W, 3) uint8 BGR. Rows may lie apart, as in a crop; a row is contiguous.
            placement: where the frame lies in the input; made for frames of this size.
            out: (1, 3, height, width), contiguous, in the tensor's dtype.

        Raises:
            TypeError: an array of another dtype, or not in the host's memory.
            ValueError: an array of another shape or layout, or a placement outside the input.
        """
        if _why_not_compiled:
            out[...] = reference.preprocess(frame, placement, self._input, self._tensor)
        else:
            self._kernel(frame, _numbers(placement), out)


class FusedHead:
    """Turns the raw outputs of one engine into the results of every task, in one call.

    Args:
        spec: the network's tasks.
        tensors: the engine's raw outputs, with the scales of quantised ones. They are matched to
            `spec.output_tensors` by name; others are ignored.

    Raises:
        EdgeMtlError: a tensor of the spec is missing or has another shape.
    """

    def __init__(self, spec: ModelSpec, tensors: Sequence[TensorSpec]) -> None:
        by_name = {tensor.name: tensor for tensor in tensors}
        for expected in spec.output_tensors:
            if expected.name not in by_name:
                found = ", ".join(sorted(by_name)) or "none"
                raise EdgeMtlError(
                    f"model {spec.name!r} needs the raw output {expected.name!r}, the engine has "
                    f"{found}: build the engine from this model's own export"
                )
            _check_tensor(by_name[expected.name], expected.shape)
        self._spec = spec
        self._tensors = tuple(by_name[tensor.name] for tensor in spec.output_tensors)
        if not _why_not_compiled:
            self._build()

    def _build(self) -> None:
        """Describe the tasks to the compiled kernel."""
        spec = self._spec
        tensors = {tensor.name: _describe(tensor) for tensor in self._tensors}
        self._kernel = _kernels.FusedHead(spec.input.width, spec.input.height)
        self._raw_names: list[str] = []
        for segmentation in spec.segmentations:
            self._kernel.add_segmentation(tensors[segmentation.name])
            self._raw_names.append(segmentation.name)
        for detection in spec.detections:
            levels = []
            for stride in detection.strides:
                names = reference.level_names(detection, stride)
                levels.append((stride, tensors[names[0]], tensors[names[1]]))
                self._raw_names.extend(names)
            self._kernel.add_detection(
                levels,
                reference.logit(detection.score_threshold),
                detection.iou_threshold,
                detection.max_boxes,
                max(reference.MIN_CANDIDATES, detection.max_boxes),
            )

    def __call__(
        self,
        raw: Mapping[str, NDArray[Any]],
        placement: Placement,
        mask_size: MaskSize,
    ) -> tuple[dict[str, Detections], dict[str, Mask]]:
        """Compute the detections and masks of one frame as `reference.fused_head` defines them.

        Args:
            raw: by tensor name, the engine's outputs: contiguous (1, C, H, W) arrays.
            placement: where the frame lies in the input, as it was given to the `Preprocessor`.
            mask_size: "frame" for masks of the frame's size, "network" for masks of the size that
                the frame has in the network's input, without padding.

        Returns:
            By the name of the task, the boxes in pixels of the frame, and the masks.

        Raises:
            TypeError: an array of another dtype, or not in the host's memory.
            ValueError: an array of another shape or layout, or a placement outside the input.
        """
        if _why_not_compiled:
            return reference.fused_head(self._spec, self._tensors, raw, placement, mask_size)
        width, height = reference.mask_extent(placement, mask_size)
        labels = [np.empty((height, width), np.uint8) for _ in self._spec.segmentations]
        found = [
            (
                np.empty((task.max_boxes, 4), np.float32),
                np.empty(task.max_boxes, np.float32),
                np.empty(task.max_boxes, np.int32),
            )
            for task in self._spec.detections
        ]
        outputs = [raw[name] for name in self._raw_names]
        counts = self._kernel(outputs, _numbers(placement), labels, found)
        detections = {
            task.name: Detections(task.classes, boxes[:n], scores[:n], class_ids[:n])
            for task, (boxes, scores, class_ids), n in zip(
                self._spec.detections, found, counts, strict=True
            )
        }
        masks = {
            task.name: Mask(task.classes, mask)
            for task, mask in zip(self._spec.segmentations, labels, strict=True)
        }
        return detections, masks


def _check_tensor(tensor: TensorSpec, shape: tuple[int, int, int, int]) -> None:
    if tensor.shape != shape:
        raise EdgeMtlError(
            f"tensor {tensor.name!r} must have shape {shape}, the engine has {tensor.shape}: "
            "build the engine from this model's own export, with batch 1"
        )
    if tensor.dtype == "float32":
        return
    limits = np.iinfo(tensor.dtype)
    if not limits.min <= tensor.zero_point <= limits.max:
        raise EdgeMtlError(
            f"tensor {tensor.name!r} is {tensor.dtype}, its zero point must be in "
            f"[{limits.min}, {limits.max}], found {tensor.zero_point}: export the model again"
        )
    if not 1e-30 <= tensor.scale <= 1e30:
        raise EdgeMtlError(
            f"tensor {tensor.name!r} needs a scale above zero that float32 can hold, "
            f"found {tensor.scale}: export the model again"
        )


def _describe(tensor: TensorSpec) -> tuple[str, tuple[int, int, int], float, int]:
    return tensor.dtype, tensor.shape[1:], tensor.scale, tensor.zero_point


def _numbers(placement: Placement) -> tuple[int, int, int, int, int, int]:
    """The placement in the kernels' order: frame width and height, x, y, width, height."""
    return (*placement.frame_size, placement.x, placement.y, placement.width, placement.height)
