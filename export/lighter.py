"""Lighter networks for when scenes come too late: parts of a graph, of its weights and ranges."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

import msgspec
import onnx

from edge_mtl.errors import EdgeMtlError, UsageError
from edge_mtl.export.deployment import bundle_of
from edge_mtl.export.foreign.graph_edits import prune
from edge_mtl.export.layers import node_costs, outputs_reached
from edge_mtl.runtime.engines import open_engine
from edge_mtl.spec import ModelSpec
from edge_mtl.tasks import PoseTask, Task

_POOLS = {"AveragePool": "GlobalAveragePool", "MaxPool": "GlobalMaxPool"}

Sizes = dict[str, tuple[int, ...]]
"""By tensor, its shape; 0 where it is not known."""


def lighter_specs(floating: onnx.ModelProto, spec: ModelSpec) -> tuple[ModelSpec, ...]:
    """The specs of the networks that `spec.degrade` asks for, in the order of their turns.

    Args:
        floating: the float graph, whose nodes have names of their own.

    Raises:
        UsageError: the network has no half, or only one task.
    """
    if spec.degrade == "half_resolution":
        half = _half(spec)
        graph = lighter_graph(floating, spec, half)
        try:
            # Not every size that is fixed shows in the shapes.
            bundle = bundle_of(Path(spec.name), half, "cpu", "fp32", graph)
            open_engine("onnxruntime", bundle).close()
        except EdgeMtlError as error:
            raise UsageError(_no_half(spec, str(error))) from None
        return (half,)
    if spec.degrade == "every_second_task":
        return tuple(
            msgspec.structs.replace(spec, tasks=tasks, degrade=None)
            for tasks in _halves(floating, spec)
        )
    return ()


def lighter_graph(model: onnx.ModelProto, spec: ModelSpec, lighter: ModelSpec) -> onnx.ModelProto:
    """The part of a graph that a lighter spec has, at its input's size. What is 8-bit stays so.

    Args:
        model: the graph of `spec`, float or quantised.
        lighter: one of `lighter_specs`.

    Raises:
        UsageError: the graph does not work at that size.
    """
    part = onnx.ModelProto()
    part.CopyFrom(model)
    graph = part.graph
    wanted = {tensor.name: tensor.shape for tensor in lighter.output_tensors}
    outputs = [value for value in graph.output if value.name in wanted]
    del graph.output[:]
    graph.output.extend(outputs)
    prune(graph)
    if lighter.input.size != spec.input.size:
        _resize(part, spec, lighter)
    return part


def _half(spec: ModelSpec) -> ModelSpec:
    plain = msgspec.to_builtins(spec)
    width, height = spec.input.size
    if width % 2 or height % 2:
        raise UsageError(_no_half(spec, f"found {width}x{height}"))
    size = {"width": width // 2, "height": height // 2}
    try:
        return msgspec.convert(
            {**plain, "degrade": None, "input": {**plain["input"], **size}}, ModelSpec
        )
    except msgspec.ValidationError as error:
        raise UsageError(_no_half(spec, str(error))) from None


def _no_half(spec: ModelSpec, found: str) -> str:
    width, height = spec.input.size
    return (
        f"half resolution: expected a network that takes half of {width}x{height} too; {found}; "
        "degrade by every_second_task, or not at all"
    )


def _resize(part: onnx.ModelProto, spec: ModelSpec, lighter: ModelSpec) -> None:
    """Give a graph inputs of another size, in place."""
    graph = part.graph
    width, height = lighter.input.size
    names = {tensor.name for tensor in (spec.input_tensor, *spec.plane_tensors)}
    try:
        # A pool over the whole picture is one over the whole of any picture.
        pools = _whole_pools(part)
        for value in graph.input:
            if value.name in names:
                rows, columns = value.type.tensor_type.shape.dim[2:]
                rows.dim_value, columns.dim_value = height, width
        for value in graph.output:
            value.type.tensor_type.ClearField("shape")
        _widen(pools)
        sizes = _sizes(part)
        _narrow(pools, sizes)
        sizes = _sizes(part)
    except onnx.shape_inference.InferenceError as error:
        reason = " ".join(str(error).split())
        raise UsageError(_no_half(spec, f"something in it has a fixed size ({reason})")) from None
    for tensor in lighter.output_tensors:
        found = sizes.get(tensor.name, ())
        if found != tensor.shape:
            shape, expected = ("x".join(map(str, each)) for each in (found, tensor.shape))
            said = f"its output {tensor.name!r} is {shape or 'of no known size'}, not {expected}"
            raise UsageError(_no_half(spec, said))
    for value in graph.output:
        for size in sizes[value.name]:
            value.type.tensor_type.shape.dim.add().dim_value = size


def _whole_pools(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    """The pools whose one window is all that they read."""
    sizes = _sizes(model)
    found = []
    for node in model.graph.node:
        kernel = next((list(a.ints) for a in node.attribute if a.name == "kernel_shape"), None)
        padded = any(any(a.ints) for a in node.attribute if a.name == "pads")
        whole = list(sizes.get(node.input[0], ())[2:]) if node.op_type in _POOLS else None
        if whole and kernel == whole and not padded:
            found.append(node)
    return found


def _widen(pools: Iterable[onnx.NodeProto]) -> None:
    """Have pools take all of whatever they read."""
    for node in pools:
        node.op_type = _POOLS[node.op_type]


def _narrow(pools: Iterable[onnx.NodeProto], sizes: Sizes) -> None:
    """Have them name the size that it has."""
    names = {whole: name for name, whole in _POOLS.items()}
    for node in pools:
        node.op_type = names[node.op_type]
        for attribute in node.attribute:
            if attribute.name in ("kernel_shape", "strides"):
                attribute.ints[:] = sizes[node.input[0]][2:]


def _sizes(model: onnx.ModelProto) -> Sizes:
    """Raises `onnx.shape_inference.InferenceError` where the shapes do not fit together."""
    graph = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True).graph
    values = (*graph.input, *graph.value_info, *graph.output)
    return {
        each.name: tuple(dim.dim_value for dim in each.type.tensor_type.shape.dim)
        for each in values
    }


def _halves(floating: onnx.ModelProto, spec: ModelSpec) -> tuple[tuple[Task, ...], ...]:
    """The tasks in two groups that cost about the same, a pose with the boxes that it is of."""
    units: dict[str, list[Task]] = {}
    for task in spec.tasks:
        units.setdefault(task.detection if isinstance(task, PoseTask) else task.name, []).append(
            task
        )
    if len(units) < 2:
        raise UsageError(
            f"every second task: expected two tasks that can do without each other, found "
            f"{', '.join(task.name for task in spec.tasks)}; degrade by half_resolution, or not "
            "at all"
        )
    needs = _needs(floating, spec, units)

    def cost(group: Collection[str]) -> float:
        return sum(each for needed_by, each in needs.items() if not needed_by.isdisjoint(group))

    def both(group: frozenset[str]) -> list[float]:
        """What the dearer and what the cheaper network costs. What several tasks need is computed
        once where they are in one."""
        return sorted((cost(group), cost(units.keys() - group)), reverse=True)

    second: frozenset[str] = frozenset()
    while True:
        moves = [second ^ {unit} for unit in units]
        best = min((e for e in moves if 0 < len(e) < len(units)), key=both, default=second)
        if second and both(best) >= both(second):
            break
        second = best
    moved = [task for unit in second for task in units[unit]]
    groups = (
        tuple(task for task in spec.tasks if task not in moved),
        tuple(task for task in spec.tasks if task in moved),
    )
    return tuple(sorted(groups, key=lambda group: spec.tasks.index(group[0])))


def _needs(
    floating: onnx.ModelProto, spec: ModelSpec, units: dict[str, list[Task]]
) -> dict[frozenset[str], float]:
    """What it takes to compute the nodes of a graph, by the units that need them."""
    unit_of = {
        tensor.name: unit
        for unit, tasks in units.items()
        for task in tasks
        for tensor in task.tensors(*spec.input.size)
    }
    costs = node_costs(floating)
    needs: dict[frozenset[str], float] = {}
    for node, reached in outputs_reached(floating.graph).items():
        needed_by = frozenset(unit_of[name] for name in reached)
        needs[needed_by] = needs.get(needed_by, 0.0) + costs[node]
    return needs
