"""Preprocessing and head as models of Triton's Python backend, with the kernels of the runtime.

A model repository that `edge-mtl export --target triton` writes loads these two; `execute` gets
requests and gives a response for each, as Triton's Python backend defines it. Its module
`triton_python_backend_utils` exists only inside of a Triton server.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge_mtl.bundle import Manifest
from edge_mtl.errors import EdgeMtlError
from edge_mtl.ops import FusedHead, Preprocessor
from edge_mtl.placement import Placement
from edge_mtl.plane_writer import PlaneWriter
from edge_mtl.scene import Scene
from edge_mtl.spec import ModelSpec

FRAME_SIZE = "_frame_size"
"""The tensor that tells the head how large the frame was: (width, height), int32."""

Arrays = Mapping[str, NDArray[Any]]


def network_input(name: str) -> str:
    """What a network's input is called between the preprocessing and the network."""
    return f"_{name}"


class Preprocess:
    """A frame, and its planes, to the inputs of the network.

    manifest: the path of the bundle's manifest.
    """

    manifest: Path

    def initialize(self, args: Mapping[str, str]) -> None:
        manifest = msgspec.json.decode(self.manifest.read_bytes(), type=Manifest)
        self._spec = manifest.spec
        self._tensors = (manifest.input, *manifest.planes)
        self._preprocess = Preprocessor(manifest.spec.input, manifest.input)
        self._write_planes = PlaneWriter(manifest.spec, manifest.planes)

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        names = [self._spec.input.name, *(plane.name for plane in self._spec.planes)]
        return [_respond(request, names, self._compute) for request in requests]

    def _compute(self, inputs: Arrays) -> dict[str, NDArray[Any]]:
        frame = inputs[self._spec.input.name]
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or not frame.size:
            raise EdgeMtlError(
                "expected a frame of shape (H, W, 3), uint8, blue first, with at least one pixel, "
                f"found {frame.shape} {frame.dtype}"
            )
        placement = Placement.fit((frame.shape[1], frame.shape[0]), self._spec.input)
        made = {each.name: np.empty(each.shape, each.dtype) for each in self._tensors}
        self._preprocess([frame], [placement], made[self._spec.input.name])
        self._write_planes(inputs, placement, made)
        size = np.array(placement.frame_size, np.int32)
        return {FRAME_SIZE: size, **{network_input(name): each for name, each in made.items()}}


class Head:
    """The network's raw outputs to what every task says, in tensors as `head_outputs` lists them.

    manifest: the path of the bundle's manifest.
    """

    manifest: Path

    def initialize(self, args: Mapping[str, str]) -> None:
        manifest = msgspec.json.decode(self.manifest.read_bytes(), type=Manifest)
        self._spec = manifest.spec
        self._raw = {each.name: each for each in manifest.outputs}
        self._head = FusedHead(manifest.spec, manifest.outputs)

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        names = [FRAME_SIZE, *self._raw]
        return [_respond(request, names, self._compute) for request in requests]

    def _compute(self, inputs: Arrays) -> dict[str, NDArray[Any]]:
        width, height = map(int, inputs[FRAME_SIZE])
        placement = Placement.fit((width, height), self._spec.input)
        raw = {
            name: np.ascontiguousarray(inputs[name]).reshape(tensor.shape)
            for name, tensor in self._raw.items()
        }
        [scene] = self._head(raw, [placement], "frame")
        return dict(_tensors_of(self._spec, scene))


def head_outputs(spec: ModelSpec) -> dict[str, tuple[str, tuple[int, ...]]]:
    """By name, the dtype and the shape (-1: any) of the tensors that `Head` gives.

    Of boxes and poses there are always as many rows as there can be; `NAME_count` says how many of
    them are something, and the rest is 0, class ids and rows are -1. A server so knows every shape
    but that of masks, which are as large as the frame.
    """
    outputs: dict[str, tuple[str, tuple[int, ...]]] = {}
    for boxes in spec.box_tasks:
        outputs[f"{boxes.name}_boxes"] = ("float32", (boxes.max_boxes, 4))
        outputs[f"{boxes.name}_scores"] = ("float32", (boxes.max_boxes,))
        outputs[f"{boxes.name}_class_ids"] = ("int32", (boxes.max_boxes,))
        outputs[f"{boxes.name}_count"] = ("int32", (1,))
    for pose in spec.poses:
        most = next(task.max_boxes for task in spec.detections if task.name == pose.detection)
        outputs[f"{pose.name}_rows"] = ("int32", (most,))
        outputs[f"{pose.name}_points"] = ("float32", (most, len(pose.keypoints), 2))
        outputs[f"{pose.name}_scores"] = ("float32", (most, len(pose.keypoints)))
        outputs[f"{pose.name}_count"] = ("int32", (1,))
    for mask in spec.segmentations:
        outputs[f"{mask.name}_labels"] = ("uint8", (-1, -1))
    for group in spec.classifications:
        outputs[f"{group.name}_scores"] = ("float32", (len(group.classes),))
    return outputs


def _tensors_of(spec: ModelSpec, scene: Scene) -> Iterator[tuple[str, NDArray[Any]]]:
    outputs = head_outputs(spec)

    def padded(name: str, values: NDArray[Any], fill: int = 0) -> tuple[str, NDArray[Any]]:
        dtype, shape = outputs[name]
        full = np.full(shape, fill, dtype)
        full[: len(values)] = values
        return name, full

    for name, found in scene.detections.items():
        yield padded(f"{name}_boxes", found.boxes)
        yield padded(f"{name}_scores", found.scores)
        yield padded(f"{name}_class_ids", found.class_ids, -1)
        yield f"{name}_count", np.array([len(found)], np.int32)
    for name, poses in scene.poses.items():
        yield padded(f"{name}_rows", poses.rows, -1)
        yield padded(f"{name}_points", poses.points)
        yield padded(f"{name}_scores", poses.scores)
        yield f"{name}_count", np.array([len(poses)], np.int32)
    for name, mask in scene.masks.items():
        yield f"{name}_labels", mask.labels
    for name, group in scene.classifications.items():
        yield f"{name}_scores", group.scores


def _respond(
    request: Any, names: Sequence[str], compute: Callable[[Arrays], dict[str, NDArray[Any]]]
) -> Any:
    """The response to one request; one that cannot be answered does not take others with it."""
    import triton_python_backend_utils as triton

    try:
        found = {name: triton.get_input_tensor_by_name(request, name) for name in names}
        missing = [name for name, tensor in found.items() if tensor is None]
        if missing:
            raise EdgeMtlError(f"expected the tensors {', '.join(names)}, found no {missing[0]}")
        computed = compute({name: tensor.as_numpy() for name, tensor in found.items()})
    except (EdgeMtlError, ValueError, TypeError) as error:
        return triton.InferenceResponse(output_tensors=[], error=triton.TritonError(str(error)))
    return triton.InferenceResponse(
        output_tensors=[triton.Tensor(name, array) for name, array in computed.items()]
    )
