"""The face of the kernels: camera frames to engine input, raw outputs to results.

Each operator is built once for an engine and then called for every batch of frames, which may come
from cameras of different sizes and be one frame alone. It holds its tables and scratch memory and
allocates nothing but the arrays that it returns. A batch that is not full leaves the rest of the
engine's alone. The work is done by the
compiled module `edge_mtl._kernels` with the GIL released, or, where that is missing, by the NumPy
twins in `edge_mtl.reference`, which give the same results slowly.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from edge_mtl import reference
from edge_mtl.array_pool import ArrayPool
from edge_mtl.errors import EdgeMtlError
from edge_mtl.head_results import HeadResults, Masks, mask_room
from edge_mtl.placement import Placement
from edge_mtl.reference import MaskSize
from edge_mtl.scene import Scene
from edge_mtl.spec import MAX_FRAMES, InputSpec, ModelSpec
from edge_mtl.tasks import DetectionTask, PoseTask
from edge_mtl.tensor_spec import TensorSpec

# dtype, (channels, height, width), scale, zero point; and a level's stride and its two tensors
_TensorTuple: TypeAlias = tuple[str, tuple[int, int, int], float, int]
_LevelTuple: TypeAlias = tuple[int, _TensorTuple, _TensorTuple]

_MAX_CLASSES = 255
"""What the compiled head takes, as in kernels/limits.h; the twin does wider classifications."""

_REMEMBERED = 8
"""Of how many frames results are under way at once, as long as sinks do not lag behind."""

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
        tensor: the engine's input tensor: (N, 3, height, width), float32, float16 or
            quantised.
        threads: how many threads work at a batch. Those beside the caller sleep between batches;
            operators with as many threads share them.

    Raises:
        EdgeMtlError: the tensor does not fit the network's input.
        ValueError: threads is not between 1 and 256.
    """

    def __init__(self, network_input: InputSpec, tensor: TensorSpec, threads: int = 1) -> None:
        _check_tensor(tensor, (3, network_input.height, network_input.width))
        self._input = network_input
        self._tensor = tensor
        if not _why_not_compiled:
            table = reference.pixel_table(network_input, tensor)
            self._kernel = _kernels.Preprocessor(
                *network_input.size,
                tensor.shape[0],
                network_input.pad,
                table,
                reference.pixel_lines(network_input, tensor),
                threads,
            )

    def __call__(
        self,
        frames: Sequence[NDArray[np.uint8]],
        placements: Sequence[Placement],
        out: NDArray[Any],
    ) -> None:
        """Write each of `frames` into its part of `out` as `reference.preprocess` defines it.

        Args:
            frames: 1 to N of them, each (H, W, 3) uint8 BGR. Rows may lie apart, as in a crop; a
                row is contiguous.
            placements: where each frame lies in the input; made for frames of its size.
            out: (N, 3, height, width), contiguous, in the tensor's dtype.

        Raises:
            TypeError: an array of another dtype, or not in the host's memory.
            ValueError: an array of another shape or layout, or a placement outside the input.
        """
        if _why_not_compiled:
            for i, (frame, placement) in enumerate(zip(frames, placements, strict=True)):
                out[i] = reference.preprocess(frame, placement, self._input, self._tensor)[0]
        else:
            self._kernel(frames, [placement.numbers for placement in placements], out)


class FusedHead:
    """Turns the raw outputs of one engine into the results of every task, in one call.

    Args:
        spec: the network's tasks.
        tensors: the engine's raw outputs for N frames, with the scales of quantised ones. They are
            matched to `spec.output_tensors` by name; others are ignored.
        threads: as of `Preprocessor`; where there is little to do one thread does it.

    Raises:
        EdgeMtlError: a tensor of the spec is missing or has another shape, or not the batch of the
            others.
        ValueError: threads is not between 1 and 256.
    """

    def __init__(self, spec: ModelSpec, tensors: Sequence[TensorSpec], threads: int = 1) -> None:
        self._spec = spec
        self._by_name = {tensor.name: tensor for tensor in tensors}
        self._tensors = _matched(spec, self._by_name)
        self._batch = self._tensors[0].shape[0]
        # Masks by frame and the rest by batch: batches of cameras that differ are not all alike.
        self._results = ArrayPool(HeadResults.arrays, _REMEMBERED + self._batch)
        self._masks: ArrayPool[Masks] = ArrayPool(lambda each: each, _REMEMBERED * self._batch)
        if not _why_not_compiled:
            self._build(threads)

    def _build(self, threads: int) -> None:
        """Describe the tasks to the compiled kernel."""
        spec = self._spec
        tensors = {tensor.name: _describe(tensor) for tensor in self._tensors}
        self._kernel = _kernels.FusedHead(*spec.input.size, self._batch, threads)
        narrow = [task for task in spec.classifications if len(task.classes) <= _MAX_CLASSES]
        kinds = spec.segmentations, spec.box_tasks, spec.poses, narrow
        self._raw_names = [
            tensor.name
            for tasks in kinds
            for task in tasks
            for tensor in task.tensors(*spec.input.size)
        ]

        def levels_of(task: DetectionTask | PoseTask) -> list[_LevelTuple]:
            names = [(stride, *reference.level_names(task, stride)) for stride in task.strides]
            return [(stride, tensors[first], tensors[second]) for stride, first, second in names]

        for segmentation in spec.segmentations:
            self._kernel.add_segmentation(tensors[segmentation.name], segmentation.binary)
        for detection in spec.detections:
            self._kernel.add_detection(
                levels_of(detection),
                detection.bins or 0,
                reference.logit(detection.score_threshold),
                detection.iou_threshold,
                detection.max_boxes,
                reference.max_candidates(detection),
            )
        for decoded in spec.decoded_detections:
            self._kernel.add_decoded_detection(
                tensors[decoded.name],
                decoded.layout == "channels_last",
                decoded.box == "centre",
                decoded.objectness,
                decoded.score_threshold,
                decoded.iou_threshold,
                decoded.max_boxes,
                reference.max_candidates(decoded),
            )
        for pose in spec.poses:
            which = [task.name for task in spec.detections].index(pose.detection)
            class_ids = [spec.detections[which].classes.index(name) for name in pose.classes]
            self._kernel.add_pose(which, class_ids, levels_of(pose))
        for classification in narrow:
            self._kernel.add_classification(
                tensors[classification.name], classification.multi_label
            )

    def __call__(
        self,
        raw: Mapping[str, NDArray[Any]],
        placements: Sequence[Placement],
        mask_size: MaskSize,
    ) -> list[Scene]:
        """Compute what every task says about each frame as `reference.fused_head` defines it.

        Args:
            raw: by tensor name, the engine's outputs: contiguous (N, C, H, W) arrays.
            placements: where each of 1 to N frames lies in the input, as it was given to the
                `Preprocessor`.
            mask_size: "frame" for masks of a frame's size, "network" for masks of the size that
                the frame has in the network's input, without padding.

        Returns:
            The scene of each frame, without time stamps. Its arrays are its own; their memory is
            used again once nobody holds the scene, or anything of it, any more.

        Raises:
            TypeError: an array of another dtype, or not in the host's memory.
            ValueError: an array of another shape or layout, or a placement outside the input.
        """
        spec = self._spec
        if _why_not_compiled:
            return [
                reference.fused_head(
                    spec,
                    self._tensors,
                    {name: each[frame : frame + 1] for name, each in raw.items()},
                    placement,
                    mask_size,
                )
                for frame, placement in enumerate(placements)
            ]
        frames = len(placements)
        results = self._results.take(frames, lambda: HeadResults.room(spec, frames))
        # Each in a list of its own, or the next frame of that size would get the same ones.
        masks = [list(self._mask_room(each, mask_size)) for each in placements]
        counts = self._kernel(
            list(map(raw.__getitem__, self._raw_names)),
            [placement.numbers for placement in placements],
            masks,
            results.boxes,
            results.poses,
            [each for each in results.class_scores if each.shape[1] <= _MAX_CLASSES],
        )
        for task, scores in zip(spec.classifications, results.class_scores, strict=True):
            if scores.shape[1] > _MAX_CLASSES:
                tensor, logits = self._by_name[task.name], raw[task.name]
                for i, row in enumerate(scores):
                    row[:] = reference.classify(task, tensor, logits[i : i + 1]).scores
        return results.scenes(spec, placements, masks, *counts)

    def _mask_room(self, placement: Placement, mask_size: MaskSize) -> Masks:
        return self._masks.take(
            (mask_size, placement), lambda: mask_room(self._spec, placement, mask_size)
        )


def check_tensors(spec: ModelSpec, image: TensorSpec, outputs: Sequence[TensorSpec]) -> None:
    """Raise what `Preprocessor` and `FusedHead` would raise of the tensors of an engine, for
    kernels elsewhere.

    Raises:
        EdgeMtlError: a tensor of the spec is missing or has another shape, or not the batch of the
            others.
    """
    _check_tensor(image, (3, spec.input.height, spec.input.width))
    _matched(spec, {tensor.name: tensor for tensor in outputs})


def _matched(spec: ModelSpec, by_name: Mapping[str, TensorSpec]) -> tuple[TensorSpec, ...]:
    """The engine's tensors in the spec's order."""
    for expected in spec.output_tensors:
        if expected.name not in by_name:
            found = ", ".join(sorted(by_name)) or "none"
            raise EdgeMtlError(
                f"model {spec.name!r} needs the raw output {expected.name!r}, the engine has "
                f"{found}: build the engine from this model's own export"
            )
        _check_tensor(by_name[expected.name], expected.shape[1:])
    tensors = tuple(by_name[tensor.name] for tensor in spec.output_tensors)
    batches = sorted({tensor.shape[0] for tensor in tensors})
    if len(batches) > 1:
        raise EdgeMtlError(
            f"raw outputs must have one batch size, the engine has {batches[0]} and "
            f"{batches[1]}: build the engine from this model's own export"
        )
    return tensors


def _check_tensor(tensor: TensorSpec, shape: tuple[int, int, int]) -> None:
    """shape: of one frame."""
    batch, *found = tensor.shape
    if tuple(found) != shape:
        raise EdgeMtlError(
            f"tensor {tensor.name!r} must have shape {(batch, *shape)}, the engine has "
            f"{tensor.shape}: build the engine from this model's own export"
        )
    if not 1 <= batch <= MAX_FRAMES:
        raise EdgeMtlError(
            f"tensor {tensor.name!r} must be of a batch of 1 to {MAX_FRAMES} frames, the engine's "
            f"is of {batch}: export the model with a smaller one"
        )
    if not tensor.quantised:
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


def _describe(tensor: TensorSpec) -> _TensorTuple:
    return tensor.dtype, tensor.shape[1:], tensor.scale, tensor.zero_point
