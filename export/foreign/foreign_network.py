"""`ForeignNetwork`: a network trained elsewhere as a graph that has exactly its spec's tensors."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from edge_mtl.data.datasets import Dataset
from edge_mtl.export.foreign.graph_edits import producers
from edge_mtl.export.foreign.import_error import NetworkImportError
from edge_mtl.export.foreign.import_spec import ImportSpec
from edge_mtl.export.foreign.loading import OPSET, default_opset, modern, normalised, read_network
from edge_mtl.export.foreign.picture_input import adapt_input
from edge_mtl.export.foreign.plausible import check_values
from edge_mtl.export.foreign.raw_outputs import adapt_outputs
from edge_mtl.export.foreign.running import Runner, folded
from edge_mtl.export.foreign.wanted import wanted_outputs
from edge_mtl.ops import Preprocessor
from edge_mtl.placement import Placement
from edge_mtl.spec import InputSpec, ModelSpec
from edge_mtl.tensor_spec import TensorSpec

CHECKED_FRAMES = 4
"""On so many frames the network is run to see whether its outputs are what the spec says."""

_SAME = 1e-3
"""Largest difference that another opset may make, relative to the spread of a tensor."""

_ARITHMETIC = ("Conv", "ConvTranspose", "Gemm", "MatMul")
_TINY_WEIGHTS = 64
"""A convolution with at most so many weights is arithmetic on boxes, such as the mean of bins."""


@dataclass(frozen=True, slots=True)
class ForeignNetwork:
    """A float32 graph with the inputs and outputs of `spec`, checked on frames.

    quantised: whether the file holds Q/DQ of its own.
    float_nodes: the names of nodes that 8 bits would ruin: they compute boxes in pixels, or join
        them with scores, which one scale cannot hold.
    notes: what was found and done, a line each, for the user.
    """

    model: onnx.ModelProto
    spec: ModelSpec
    quantised: bool
    float_nodes: frozenset[str]
    notes: tuple[str, ...]


def foreign_network(
    path: Path, said: ImportSpec, spec_path: Path, frames: Dataset
) -> ForeignNetwork:
    """Read an ONNX file as a spec.toml says, and see on frames whether it says the truth.

    frames: the first `CHECKED_FRAMES` of them are looked at, preprocessed as at run time.

    Raises:
        UsageError: the tasks of the spec do not fit together.
        NetworkImportError: the file cannot be read or run, or is not what the spec says.
    """
    spec, table, source = said.model_spec(str(spec_path)), said.table, str(path)
    pictures = _pictures(spec.input, frames)
    notes = []
    read = normalised(read_network(path))
    model = modern(read, path)
    if model is not read:
        adapt_input(read, spec.input, table, source)
    adapt_input(model, spec.input, table, source)
    if model is not read:
        _check_conversion(read, model, pictures[0], source)
    adapted = adapt_outputs(model, spec, table, source, pictures[0])
    notes += [
        f"{change.tensor}: took off the {change.operator} behind its logits, which the head does"
        for change in adapted.changes
    ]
    model = folded(model, source)
    onnx.checker.check_model(model)
    run = Runner(model, source)
    outputs = [run(picture) for picture in pictures]
    doubts = check_values(source, wanted_outputs(spec), adapted.sources, outputs)
    notes += [f"doubtful: {doubt}" for doubt in doubts]
    quantised = any(node.op_type == "QuantizeLinear" for node in model.graph.node)
    model.graph.name = spec.name
    return ForeignNetwork(model, spec, quantised, _float_nodes(model, spec), tuple(notes))


def _pictures(network_input: InputSpec, frames: Dataset) -> list[NDArray[Any]]:
    """Frames as the network gets them."""
    shape = (1, 3, network_input.height, network_input.width)
    preprocess = Preprocessor(network_input, TensorSpec(network_input.name, shape))
    pictures = []
    for index in range(min(CHECKED_FRAMES, len(frames))):
        image = frames[index].image
        placement = Placement.fit((image.shape[1], image.shape[0]), network_input)
        picture = np.empty(shape, np.float32)
        preprocess([image], [placement], picture)
        pictures.append(picture)
    if not pictures:
        raise NetworkImportError(f"{frames.name} has no frames; give some with --calibrate")
    return pictures


def _check_conversion(
    old: onnx.ModelProto, new: onnx.ModelProto, picture: NDArray[Any], source: str
) -> None:
    """Compare what a graph gave before it was brought to another opset.

    Raises:
        NetworkImportError: it gives something else now.
    """
    try:
        before, after = (Runner(each, source)(picture) for each in (old, new))
    except NetworkImportError:
        return  # with operators that nobody has; what the spec names is run later
    for name, values in before.items():
        wanted = values.astype(np.float64)
        apart = float(np.abs(after[name] - wanted).max(initial=0.0))
        if not apart <= _SAME * max(1.0, float(np.ptp(wanted)) if wanted.size else 0.0):
            raise NetworkImportError(
                f"{source}: {name} differs by {apart:.3g} after ONNX brought it from opset "
                f"{default_opset(old)} to {OPSET}; export it again with opset_version={OPSET}"
            )


def _float_nodes(model: onnx.ModelProto, spec: ModelSpec) -> frozenset[str]:
    """The nodes between a decoded detection and the last layers before it."""
    written = producers(model.graph)
    weights = {each.name: int(np.prod(each.dims)) for each in model.graph.initializer}
    waiting = [task.name for task in spec.decoded_detections]
    found = set()
    while waiting:
        node = written.get(waiting.pop())
        if node is None or node.name in found or _is_layer(node, weights):
            continue
        found.add(node.name)
        waiting.extend(node.input)
    return frozenset(found)


def _is_layer(node: onnx.NodeProto, weights: dict[str, int]) -> bool:
    return (
        node.op_type in _ARITHMETIC
        and max((weights.get(name, 0) for name in node.input[1:2]), default=0) > _TINY_WEIGHTS
    )
