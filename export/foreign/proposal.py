"""A first spec.toml for a network that nobody has described, guessed from its graph."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto

from edge_mtl.export.foreign.import_error import NetworkImportError
from edge_mtl.export.foreign.import_spec import ImportTable
from edge_mtl.export.foreign.loading import dimensions, modern, normalised
from edge_mtl.export.foreign.picture_input import adapt_input, image_inputs, layout_of
from edge_mtl.export.foreign.proposed_task import Output, ProposedTask
from edge_mtl.export.foreign.proposed_tasks import proposed_tasks
from edge_mtl.export.foreign.running import Runner
from edge_mtl.export.foreign.tracing import choice_before
from edge_mtl.spec import InputSpec

_USUAL_SIZE = 640
_PLAIN = "mean = [0.0, 0.0, 0.0]\nstd = [1.0, 1.0, 1.0]"
_WHOLE = (
    "mean = [0.0, 0.0, 0.0]\nstd = [0.00392156862745098, 0.00392156862745098, 0.00392156862745098]"
)


@dataclass(slots=True)
class Proposal:
    """A spec.toml, with comments where it guesses.

    problems: why no spec can be right before the network is exported otherwise.
    """

    text: str
    problems: list[str] = field(default_factory=list)


def proposal(model: onnx.ModelProto, path: Path, size: tuple[int, int] | None = None) -> Proposal:
    """Guess a spec.toml from a network's inputs, outputs, metadata and what it gives for noise.

    model: with its weights; left as it is. size: (width, height) of an input that takes any.

    Raises:
        NetworkImportError: the network takes no picture, or cannot be run.
    """
    notes = _metadata(model)
    copied = onnx.ModelProto.FromString(model.SerializeToString())
    model = modern(normalised(copied), path)
    value = _picture(model.graph, path)
    input_name, shape = value.name, dimensions(value)
    layout = layout_of(shape) or "nchw"
    height, width = shape[-2:] if layout == "nchw" else shape[-3:-1]
    guessed = []
    if height is None or width is None:
        noted = _size_in(notes)
        if size is None and noted is None:
            guessed.append("guessed: the network takes any size; inspect --size WxH for another")
        usual = size or noted or (_USUAL_SIZE, _USUAL_SIZE)
        width, height = width or usual[0], height or usual[1]
    kind = value.type.tensor_type.elem_type
    whole = kind not in (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16)
    side = 1 / 255 if whole else 1.0
    picture = InputSpec(width=width, height=height, mean=(0.0, 0.0, 0.0), std=(side, side, side))
    others = {v.name: _ones(v) for v in model.graph.input if v.name != input_name}
    table = ImportTable(input=input_name, layout=layout_of(shape), constants=others)
    adapt_input(model, picture, table, str(path))
    names = _class_names(notes)
    outputs = _outputs(model, picture, path)
    tasks, problems = proposed_tasks(model.graph, outputs, (width, height), names, notes)
    text = _text(path, notes, input_name, picture, layout, whole, guessed, others, tasks, problems)
    return Proposal(text, problems)


def _picture(graph: onnx.GraphProto, path: Path) -> onnx.ValueInfoProto:
    found = image_inputs(graph)
    if not found:
        shapes = ", ".join(f"{v.name} {dimensions(v)}" for v in graph.input)
        raise NetworkImportError(
            f"{path}: expected an input that is a picture, 1x3xHxW or 1xHxWx3, found {shapes}; "
            "only such networks can be imported"
        )
    return found[0]


def _ones(value: onnx.ValueInfoProto) -> Any:
    """What an input beside the picture, such as a scale factor, may be."""
    shape = [size or 1 for size in dimensions(value)]
    return np.ones(shape).tolist()


def _outputs(model: onnx.ModelProto, picture: InputSpec, path: Path) -> list[Output]:
    """Every output of the network for two pictures of noise."""
    rng = np.random.default_rng(0)
    names = [value.name for value in model.graph.output]
    choices = {name: choice_before(model.graph, name) for name in names}
    read = {name: node.input[0] for name, node in choices.items() if node is not None}
    watched = onnx.ModelProto.FromString(model.SerializeToString())
    for name in sorted(set(read.values()) - set(names)):
        watched.graph.output.append(onnx.ValueInfoProto(name=name))
    run = Runner(watched, str(path))
    seen: list[Mapping[str, NDArray[Any]]] = []
    for _ in range(2):
        coarse = rng.integers(0, 256, (1, 3, -(-picture.height // 8), -(-picture.width // 8)))
        fine = np.repeat(np.repeat(coarse, 8, axis=2), 8, axis=3)
        pixels = fine[:, :, : picture.height, : picture.width].astype(np.float32)
        gain, offset = (np.array(each, np.float32) for each in picture.line())
        seen.append(run(pixels * gain[None, :, None, None] + offset[None, :, None, None]))
    every = {name: Output(name, seen[0][name], seen[1][name]) for name in seen[0]}
    return [
        replace(every[name], chosen_from=every[read[name]]) if name in read else every[name]
        for name in names
    ]


def _metadata(model: onnx.ModelProto) -> dict[str, Any]:
    """What an exporter noted, such as Ultralytics' names, task and stride."""
    return {each.key: _parsed(each.value) for each in model.metadata_props}


def _parsed(text: str) -> Any:
    """A Python literal, as Ultralytics writes them, or else the text."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text


def _size_in(notes: Mapping[str, Any]) -> tuple[int, int] | None:
    """(width, height), which Ultralytics notes as [height, width]."""
    size = notes.get("imgsz")
    if isinstance(size, (list, tuple)) and len(size) == 2 and all(isinstance(n, int) for n in size):
        return size[1], size[0]
    return None


def _class_names(notes: Mapping[str, Any]) -> tuple[str, ...]:
    """The names that an exporter noted, in their order; none where it noted none."""
    names = notes.get("names") or notes.get("classes") or ()
    if isinstance(names, dict):
        names = [names[key] for key in sorted(names)]
    if not isinstance(names, (list, tuple)):
        return ()
    return tuple(map(str, names))


def _text(
    path: Path,
    notes: Mapping[str, Any],
    input_name: str,
    picture: InputSpec,
    layout: str,
    whole: bool,
    guessed: Sequence[str],
    others: Mapping[str, Any],
    tasks: Sequence[ProposedTask],
    problems: Sequence[str],
) -> str:
    name = "".join(c if c.isalnum() or c in "._-" else "-" for c in path.stem.lower()).lstrip("._-")
    lines = [f"# Proposed by `edge-mtl inspect {path.name}`: read it before you import with it."]
    lines += [f"# NOT IMPORTABLE AS IT IS: {problem}" for problem in problems]
    lines += [f"name = {json.dumps(name or 'network')}", "", "[input]"]
    lines += [f"# {remark}" for remark in guessed]
    lines += [f"width = {picture.width}", f"height = {picture.height}"]
    boxes = any("detection" in each.type for each in tasks)
    resize = "letterbox" if boxes else "stretch"
    lines.append(f'resize = "{resize}"  # guessed: as in its training, "letterbox" or "stretch"')
    if whole:
        lines += ["# the input is whole numbers, 0 to 255", _WHOLE]
    elif boxes:
        lines += [
            "# guessed: 0 to 1, as YOLO networks take it. For 0 to 255 write std = [0.00392, ...],",
            "# for ImageNet's mean and std leave both lines out",
            _PLAIN,
        ]
    else:
        lines.append("# guessed: ImageNet's mean and std, red first; for 0 to 1 write these:")
        lines += [f"# {line}" for line in _PLAIN.splitlines()]
    for each in tasks:
        lines += ["", *each.lines()]
    lines += ["", "[import]", f"input = {json.dumps(input_name)}", f'layout = "{layout}"']
    lines.append('colours = "rgb"  # guessed: "bgr" for networks trained on what OpenCV reads')
    if others:
        lines += ["", "[import.constants]  # guessed"]
        lines += [f"{json.dumps(key)} = {json.dumps(value)}" for key, value in others.items()]
    lines += ["", "[import.outputs]"]
    lines += [line for each in tasks for line in each.sources]
    return "\n".join(lines) + "\n"
