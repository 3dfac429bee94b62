"""The outputs of a network from elsewhere, made the raw tensors of a spec."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from edge_mtl.export.foreign import mismatch, shapes
from edge_mtl.export.foreign.decoders import ENCODINGS, Candidates
from edge_mtl.export.foreign.graph_edits import Writer, prune, rename_tensor, tensor_names
from edge_mtl.export.foreign.import_error import NetworkImportError
from edge_mtl.export.foreign.import_spec import ImportTable, Source
from edge_mtl.export.foreign.running import Runner
from edge_mtl.export.foreign.tracing import without_activation
from edge_mtl.export.foreign.wanted import Wanted, wanted_outputs
from edge_mtl.spec import ModelSpec
from edge_mtl.tasks import (
    DecodedDetectionTask,
)

_BY_ACTIVATION = {"sigmoid": "Sigmoid", "softmax": "Softmax"}
_SURE = 1e-7  # what a score may be apart from 0 and 1, so that its logit is finite


@dataclass(frozen=True, slots=True)
class Change:
    """What was taken off a graph: the operator whose results a tensor of the spec had held."""

    tensor: str
    operator: str


@dataclass(frozen=True, slots=True)
class Adapted:
    """Where each raw tensor of the spec, in its order, came from, and what was done to get it."""

    sources: list[Source]
    changes: list[Change]


def adapt_outputs(
    model: onnx.ModelProto,
    spec: ModelSpec,
    table: ImportTable,
    source: str,
    picture: NDArray[Any],
) -> Adapted:
    """Give the graph the outputs that the spec has, in place; its input is the spec's already.

    picture: a normalised one, to see the shapes that the network gives.

    Raises:
        NetworkImportError: an output is not named, or is not what its task needs; the line of the
            spec that fits is proposed.
    """
    graph = model.graph
    wanted = wanted_outputs(spec)
    sources = _sources(model, wanted, table, source, picture)
    names = [name for each in sources for name in each.tensors]
    _cut(graph, names)
    values = Runner(model, source)(picture)
    again = Runner(model, source)(np.ascontiguousarray(picture[..., ::-1]))
    for name, value in values.items():
        mismatch.check_kind(graph, source, name, value, again[name], wanted, sources)

    renamed = _keep_names_free(graph, [each.tensor.name for each in wanted])
    changes: list[Change] = []
    writer = Writer(graph)
    results = []
    for each, origin in zip(wanted, sources, strict=True):
        tensors = [
            _as_float(writer, renamed.get(name, name), values[name]) for name in origin.tensors
        ]
        found = [values[name].shape for name in origin.tensors]
        if each.undo and len(names) == len(set(names)) and origin.channels is None:
            kinds = [k for k in each.undo if _looks_like(k, values[origin.tensors[0]], each)]
            off = without_activation(
                graph, tensors[0], tuple(_BY_ACTIVATION[kind] for kind in kinds)
            )
            if off is not None:
                tensors[0], operator = off
                changes.append(Change(each.tensor.name, operator))
        if isinstance(each.task, DecodedDetectionTask):
            made = _decoded(writer, each.task, origin, tensors, found, spec, source)
        else:
            made = _plain(writer, each, origin, tensors, found, source)
        results.append(_activation_undone(writer, made, origin))
    _declare(graph, writer, wanted, results)
    return Adapted(sources, changes)


def _sources(
    model: onnx.ModelProto,
    wanted: Sequence[Wanted],
    table: ImportTable,
    source: str,
    picture: NDArray[Any],
) -> list[Source]:
    """Where each of the wanted tensors comes from: as the table says, by its name, or by shape."""
    known = tensor_names(model.graph)
    outputs = [value.name for value in model.graph.output]
    found: dict[str, Source] = {}
    for each in wanted:
        name = each.tensor.name
        origin = table.source(name)
        if origin is not None:
            for tensor in origin.tensors:
                if tensor not in known:
                    raise mismatch.no_tensor(source, name, tensor, outputs, known)
            found[name] = origin
        elif name in outputs:
            found[name] = Source(tensor=name)
    left = [each for each in wanted if each.tensor.name not in found]
    if not left:
        return [found[each.tensor.name] for each in wanted]

    taken = {name for origin in found.values() for name in origin.tensors}
    free = [name for name in outputs if name not in taken]
    by_shape = {
        name: value.shape for name, value in Runner(model, source)(picture).items() if name in free
    }
    for each in left:
        fitting = [name for name in by_shape if _may_be(by_shape[name], each)]
        alike = [other for other in left if any(_may_be(by_shape[name], other) for name in fitting)]
        if len(left) == len(free) == 1:
            fitting, alike = free, [each]
        if len(fitting) != 1 or len(alike) != 1:
            raise mismatch.not_named(source, each.tensor, by_shape, fitting)
        found[each.tensor.name] = Source(tensor=fitting[0])
    return [found[each.tensor.name] for each in wanted]


def _may_be(shape: tuple[int, ...], wanted: Wanted) -> bool:
    _, first, second, _ = wanted.tensor.shape
    if isinstance(wanted.task, DecodedDetectionTask):
        return tuple(n for n in shape if n != 1) == tuple(n for n in (first, second) if n != 1)
    return shapes.fits(shape, wanted.tensor.shape)


def _cut(graph: onnx.GraphProto, names: Sequence[str]) -> None:
    """Make these tensors the outputs, each once, and drop what none of them needs."""
    del graph.output[:]
    graph.output.extend(onnx.ValueInfoProto(name=name) for name in dict.fromkeys(names))
    prune(graph)


def _keep_names_free(graph: onnx.GraphProto, names: Sequence[str]) -> dict[str, str]:
    """Rename tensors that have a name of the spec's; by old name, the new ones."""
    renamed = {}
    for name in names:
        taken = tensor_names(graph)
        if name not in taken:
            continue
        new = f"{name}_inner"
        while new in taken:
            new += "_"
        rename_tensor(graph, name, new)
        renamed[name] = new
    return renamed


def _as_float(writer: Writer, tensor: str, values: NDArray[Any]) -> str:
    return tensor if values.dtype == np.float32 else writer.node("Cast", tensor, to=1)


def _looks_like(activation: str, values: NDArray[Any], wanted: Wanted) -> bool:
    """Whether values can be results of an activation over the classes."""
    if values.dtype.kind != "f" or values.min() < 0 or values.max() > 1 + 1e-3:
        return False
    if activation == "sigmoid":
        return True
    classes = wanted.tensor.shape[1]
    sums = [values.sum(axis) for axis, n in enumerate(values.shape) if n == classes]
    return any(np.allclose(each, 1.0, atol=1e-2) for each in sums)


def _plain(
    writer: Writer,
    wanted: Wanted,
    origin: Source,
    tensors: Sequence[str],
    found: Sequence[tuple[int, ...]],
    source: str,
) -> str:
    if len(tensors) > 1:
        raise NetworkImportError(
            f"{source}: import.outputs.{wanted.tensor.name} joins {len(tensors)} tensors, which "
            "only a decoded_detection can have; name one"
        )
    one, channels, height, width = wanted.tensor.shape
    shape = wanted.tensor.shape
    if origin.channels is not None:
        total = shapes.channels_of(found[0], height * width)
        start, stop = origin.channels
        if total is None or not start < stop <= total or stop - start != channels:
            raise mismatch.channel_range(source, wanted, origin, found[0], total)
        shape = (one, total, height, width)
    made = shapes.arranged(writer, tensors[0], found[0], shape)
    if made is None:
        raise mismatch.shape(source, wanted, origin.tensors[0], found[0])
    return made if origin.channels is None else writer.slice(made, 1, *origin.channels)


def _decoded(
    writer: Writer,
    task: DecodedDetectionTask,
    origin: Source,
    tensors: Sequence[str],
    found: Sequence[tuple[int, ...]],
    spec: ModelSpec,
    source: str,
) -> str:
    if origin.encoding != "decoded" and (origin.scores == "softmax" or origin.background != "none"):
        raise NetworkImportError(
            f'{source}: import.outputs.{task.name} has encoding = "{origin.encoding}", whose '
            'scores have no Softmax and no background; leave out scores = "softmax" and background'
        )
    axis = 1 if task.layout == "channels_first" else 2
    parts, channels = [], 0
    for tensor, shape in zip(tensors, found, strict=True):
        part = shapes.table(writer, tensor, shape, task.candidates, axis, len(tensors) > 1)
        if part is None:
            raise mismatch.candidates(source, task, origin, shape)
        parts.append(part[0])
        channels += part[1]
    joined = writer.join(axis, *parts)
    if origin.channels is not None:
        start, stop = origin.channels
        if not start < stop <= channels:
            raise NetworkImportError(
                f"{source}: import.outputs.{task.name} takes the channels {start} to {stop} of "
                f"{channels}; write channels = [{min(start, channels - 1)}, {channels}]"
            )
        joined, channels = writer.slice(joined, axis, start, stop), stop - start
    row = ENCODINGS[origin.encoding]
    if channels != row.channels(task, origin):
        raise mismatch.box_channels(source, task, origin, row, channels, found)
    made = row.decode(writer, Candidates(joined, axis, task, origin, spec.input.size))
    [wanted] = task.tensors(*spec.input.size)
    return writer.reshape(made, *wanted.shape)


def _activation_undone(writer: Writer, tensor: str, origin: Source) -> str:
    """The logits of scores: of a softmax up to a constant, which no class gains from."""
    if origin.activation == "none":
        return tensor
    low, high = writer.scalar(_SURE), writer.scalar(1.0 - _SURE)
    score = writer.node("Clip", tensor, low, high)
    logit = writer.node("Log", score)
    if origin.activation == "softmax":
        return logit
    rest = writer.node("Sub", writer.scalar(1.0), score)
    return writer.node("Sub", logit, writer.node("Log", rest))


def _declare(
    graph: onnx.GraphProto, writer: Writer, wanted: Sequence[Wanted], results: Sequence[str]
) -> None:
    """Make the results the outputs, under the spec's names, in float32."""
    del graph.output[:]
    inputs = {value.name for value in graph.input}
    named: dict[str, str] = {}
    for each, result in zip(wanted, results, strict=True):
        tensor = each.tensor
        name = named.get(result, result)
        if name in inputs or result in named:  # one tensor of the file for two of the spec
            name = writer.node("Identity", name)
        rename_tensor(graph, name, tensor.name)
        named[result] = tensor.name
        graph.output.append(
            helper.make_tensor_value_info(tensor.name, TensorProto.FLOAT, tensor.shape)
        )
    prune(graph)
