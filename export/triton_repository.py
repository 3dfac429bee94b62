"""From a bundle to a model repository of NVIDIA Triton Inference Server.

An ensemble of three models: preprocessing and head on Triton's Python backend with the kernels of
the runtime, and between them the network on its ONNX Runtime or TensorRT backend. Field names and
values are those of model_config.proto, Triton's published schema.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import onnx

from edge_mtl.bundle import MANIFEST, NETWORK, Bundle, write_atomically
from edge_mtl.errors import EdgeMtlError
from edge_mtl.runtime.triton_models import FRAME_SIZE, head_outputs, network_input
from edge_mtl.spec import ModelSpec

_DATA_TYPES = {
    "float32": "TYPE_FP32",
    "float16": "TYPE_FP16",
    "uint8": "TYPE_UINT8",
    "int8": "TYPE_INT8",
    "int32": "TYPE_INT32",
}
_ON_CPU_TARGETS = ("cpu", "openvino", "triton")

_MODEL = '''"""For Triton's Python backend, in whose Python edge-mtl must be installed."""

from pathlib import Path

from edge_mtl.runtime.triton_models import {model}


class TritonPythonModel({model}):
    manifest = Path(__file__).with_name("{manifest}")
'''

Tensors = Mapping[str, tuple[str, tuple[int, ...]]]
"""By name, dtype and shape."""


class _Word(str):
    """A value of an enumeration, which stands without quotes."""


def write_repository(bundle: Bundle, folder: Path) -> list[str]:
    """Write a bundle's models into a model repository, beside others that are there.

    Args:
        bundle: with batch 1. Its TensorRT engines are served where it has some, each on the GPUs
            of its compute capability; otherwise its ONNX graph is, on the CPU where it was
            quantised for one.
        folder: the repository; made where it is missing.

    Returns:
        The names of the models, the ensemble first.

    Raises:
        EdgeMtlError: the bundle cannot be served: its batch is not 1, its only engines are of
            TensorRT-RTX, which Triton does not load, or two of its tensors would share a name.
    """
    manifest, spec = bundle.manifest, bundle.spec
    for tensor in (manifest.input, *manifest.planes, *manifest.outputs):
        if tensor.shape[0] != 1:
            raise EdgeMtlError(
                f"{bundle.path}: expected tensors of one frame, found {tensor.name!r} of "
                f"{tensor.shape[0]}: export the model with batch 1"
            )
    graph = onnx.load_model_from_string(bundle.network).graph
    shapes = {
        value.name: tuple(size.dim_value for size in value.type.tensor_type.shape.dim)
        for value in (*graph.input, *graph.output)
    }
    # The shapes of the graph itself: Triton compares them, and ones at the end make a difference.
    inputs = {each.name: (each.dtype, shapes[each.name]) for each in _inputs(bundle)}
    raw = {each.name: (each.dtype, shapes[each.name]) for each in manifest.outputs}
    results = head_outputs(spec)
    frames: dict[str, tuple[str, tuple[int, ...]]] = {spec.input.name: ("uint8", (-1, -1, 3))}
    frames |= {plane.name: ("uint8", (-1, -1)) for plane in spec.planes}
    _check_names([*frames, *results, *raw])
    between: dict[str, tuple[str, tuple[int, ...]]] = {FRAME_SIZE: ("int32", (2,))}
    between |= {network_input(name): value for name, value in inputs.items()}

    names = [spec.name, *(f"{spec.name}-{part}" for part in ("preprocess", "network", "head"))]
    ensemble, preprocess, network, head = names
    steps = [
        _step(preprocess, {name: name for name in frames}, {name: name for name in between}),
        _step(network, {name: network_input(name) for name in inputs}, _internal(raw)),
        _step(head, {FRAME_SIZE: FRAME_SIZE, **_internal(raw)}, {name: name for name in results}),
    ]
    ensemble_config = {
        "name": ensemble,
        "platform": "ensemble",
        **_edges(frames, results),
        "ensemble_scheduling": {"step": steps},
        "parameters": _parameters(_classes(spec)),
    }
    files, network_config = _network(bundle)
    contents = {
        f"{ensemble}/config.pbtxt": ensemble_config,
        f"{preprocess}/config.pbtxt": _python(preprocess, frames, between),
        f"{network}/config.pbtxt": {"name": network, **_edges(inputs, raw), **network_config},
        f"{head}/config.pbtxt": _python(head, {FRAME_SIZE: between[FRAME_SIZE], **raw}, results),
    }
    described = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
    for name, model in ((preprocess, "Preprocess"), (head, "Head")):
        _write(folder / name / "1" / MANIFEST, described)
        code = _MODEL.format(model=model, manifest=MANIFEST)
        _write(folder / name / "1" / "model.py", code.encode())
    for old in (folder / network / "1").glob("model*"):
        old.unlink()
    for name, data in files.items():
        _write(folder / network / "1" / name, data)
    # Triton wants a version of every model, also of one that has no file.
    (folder / ensemble / "1").mkdir(parents=True, exist_ok=True)
    # Last: a server that watches the folder finds no model before its files are there.
    for path, config in contents.items():
        _write(folder / path, "".join(_text(config)).encode())
    return names


def _inputs(bundle: Bundle) -> tuple[Any, ...]:
    return (bundle.manifest.input, *bundle.manifest.planes)


def _check_names(names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise EdgeMtlError(
            f"expected a name of its own for every tensor, found {twice[0]!r} twice: rename a task "
            "or a plane"
        )


def _network(bundle: Bundle) -> tuple[dict[str, bytes], dict[str, Any]]:
    """The files of the network's version, and what its configuration says beside its edges."""
    engines = bundle.manifest.engines
    plans = {name: each for name, each in engines.items() if each.module == "tensorrt"}
    if engines and not plans:
        raise EdgeMtlError(
            f"{bundle.path}: expected engines of TensorRT or none, found those of TensorRT-RTX, "
            "which Triton does not load; export with --target triton"
        )
    if not plans:
        on_cpu = bundle.manifest.target in _ON_CPU_TARGETS
        config = {
            "backend": "onnxruntime",
            "default_model_filename": "model.onnx",
            "instance_group": [{"count": 1, "kind": _Word("KIND_CPU" if on_cpu else "KIND_AUTO")}],
        }
        return {"model.onnx": bundle.files[NETWORK]}, config
    files, by_capability = {}, []
    for i, (name, engine) in enumerate(plans.items()):
        plan = f"model{i or ''}.plan"
        files[plan] = bundle.files[name]
        by_capability += [
            {"key": capability, "value": plan} for capability in engine.compute_capabilities
        ]
    config = {
        "backend": "tensorrt",
        "default_model_filename": "model.plan",
        "cc_model_filenames": by_capability,
        "instance_group": [{"count": 1, "kind": _Word("KIND_GPU")}],
    }
    return files, config


def _python(name: str, inputs: Tensors, outputs: Tensors) -> dict[str, Any]:
    return {
        "name": name,
        "backend": "python",
        **_edges(inputs, outputs),
        "instance_group": [{"count": 1, "kind": _Word("KIND_CPU")}],
        # The kernels read the host's memory.
        "parameters": _parameters({"FORCE_CPU_ONLY_INPUT_TENSORS": "yes"}),
    }


def _edges(inputs: Tensors, outputs: Tensors) -> dict[str, Any]:
    """A batch of its own for every frame: max_batch_size 0 makes the shapes those of the tensors,
    and frames of different sizes fit no batch."""

    def listed(tensors: Tensors) -> list[dict[str, Any]]:
        return [
            {"name": name, "data_type": _Word(_DATA_TYPES[dtype]), "dims": list(shape)}
            for name, (dtype, shape) in tensors.items()
        ]

    return {"max_batch_size": 0, "input": listed(inputs), "output": listed(outputs)}


def _step(name: str, inputs: Mapping[str, str], outputs: Mapping[str, str]) -> dict[str, Any]:
    """inputs, outputs: by the name in the model, the name in the ensemble."""
    return {
        "model_name": name,
        "model_version": -1,
        "input_map": [{"key": key, "value": value} for key, value in inputs.items()],
        "output_map": [{"key": key, "value": value} for key, value in outputs.items()],
    }


def _internal(raw: Tensors) -> dict[str, str]:
    """By raw output, its name in the ensemble, which no task and no plane has."""
    return {name: f"_raw_{name}" for name in raw}


def _classes(spec: ModelSpec) -> dict[str, str]:
    """By task, its classes: clients read them from the configuration."""
    classes = {f"classes.{task.name}": task.classes for task in spec.tasks}
    keypoints = {f"keypoints.{pose.name}": pose.keypoints for pose in spec.poses}
    return {name: json.dumps(each) for name, each in (classes | keypoints).items()}


def _parameters(values: Mapping[str, str]) -> list[dict[str, Any]]:
    return [{"key": key, "value": {"string_value": value}} for key, value in values.items()]


def _text(message: Mapping[str, Any], indent: str = "") -> Iterator[str]:
    """A message in protobuf's text format; lists are repeated fields or maps."""
    for name, value in message.items():
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, Mapping):
                yield f"{indent}{name} {{\n"
                yield from _text(each, indent + "  ")
                yield f"{indent}}}\n"
            elif isinstance(each, str) and not isinstance(each, _Word):
                yield f"{indent}{name}: {json.dumps(each, ensure_ascii=False)}\n"
            else:
                yield f"{indent}{name}: {each}\n"


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, data)
