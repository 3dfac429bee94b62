"""A network small enough to make on the spot, for every test that needs a bundle, and the GPU's
kernels for the host."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
import pytest
import typer

from edge_mtl import cli
from edge_mtl.bundle import Bundle
from edge_mtl.data.augmentation import Augmentation
from edge_mtl.scene import Scene
from edge_mtl.spec import InputSpec, ModelSpec
from edge_mtl.tasks import ClassificationTask, DetectionTask, PoseTask, SegmentationTask
from edge_mtl.tensor_spec import TensorSpec

EDGE_SCALE, EDGE_ZERO_POINT = 0.1, 128


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What is kept for the next time is kept for the next test at most, and leaves no trace in the
    folder of who runs them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session", autouse=True)
def interrupts() -> Iterator[None]:
    """SIGINT is heard, by the programs that tests start too: a shell that runs the tests in the
    background has them ignore it, and what is ignored is inherited."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def _parse_command(words: list[str]) -> tuple[str, dict[str, Any]]:
    group = typer.main.get_command(cli.app)
    first = cli.settings_first(words)
    [start, *_] = [index for index, word in enumerate(first) if word in cli.COMMANDS]
    outer = group.make_context("edge-mtl", first[: start + 1])
    name, command, rest = group.resolve_command(outer, first[start:])
    return name, command.make_context(name, rest, parent=outer).params


@pytest.fixture(scope="session")
def parse_command() -> Callable[[list[str]], tuple[str, dict[str, Any]]]:
    """Reads the words behind `edge-mtl` as the command line does, without running them: the
    subcommand and its options. Raises what the command line would refuse them with."""
    return _parse_command


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium that asks for nothing by itself; a test without one is skipped."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright, of the extra dev, is not installed"
    )
    names = ("chromium", "chromium-browser", "google-chrome")
    path = os.environ.get("EDGE_MTL_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if path is None:
        pytest.skip("there is no Chromium")
    quiet = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    with playwright.sync_playwright() as run:
        launched = run.chromium.launch(executable_path=path, args=quiet)
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def one_thread() -> Iterator[None]:
    """torch computes with one thread from here on."""
    import torch  # not every test needs it

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def still() -> Augmentation:
    """No augmentation at all."""
    return Augmentation(
        scale=(1.0, 1.0),
        rotate_deg=0.0,
        flip=0.0,
        brightness=0.0,
        contrast=(1.0, 1.0),
        gamma=(1.0, 1.0),
        colour_cast=0.0,
        saturation=0.0,
        hue_deg=0.0,
        grey=0.0,
        shadow=0.0,
        blur=0.0,
        noise=0.0,
        jpeg=0.0,
    )


@pytest.fixture(scope="session")
def tiny_spec() -> ModelSpec:
    """Every kind of task on a 96x64 input."""
    return ModelSpec(
        name="tiny",
        input=InputSpec(width=96, height=64),
        backbone="none",
        tasks=(
            DetectionTask(classes=("Car", "Pedestrian", "Bicyclist"), strides=(8, 16)),
            SegmentationTask(name="classes", classes=("Sky", "Building", "Road", "Car")),
            SegmentationTask(
                name="drivable", classes=("background", "drivable"), stride=8, binary=True
            ),
            PoseTask(classes=("Pedestrian",), keypoints=("nose", "left_hip"), strides=(8, 16)),
            ClassificationTask(name="time", classes=("day", "night")),
        ),
    )


@pytest.fixture(scope="session")
def tiny_bundle(tiny_spec: ModelSpec) -> Bundle:
    """One strided convolution with random weights for every raw output; float32 edges."""
    return make_bundle(tiny_spec, "float32")


@pytest.fixture(scope="session")
def tiny_bundle_of_3(tiny_spec: ModelSpec) -> Bundle:
    """The same network for three frames at a time."""
    return make_bundle(tiny_spec, "float32", batch=3)


@pytest.fixture(scope="session")
def tiny_bundle_every_second(tiny_bundle: Bundle) -> Bundle:
    """`tiny_bundle` with two lighter networks, of masks and of the rest, of the same weights."""
    groups = ("classes", "drivable"), ("detection", "pose", "time")
    lighter = [_part(tiny_bundle, tasks).packed() for tasks in groups]
    files = {f"lighter-{index}.emtl": data for index, data in enumerate(lighter)}
    manifest = tiny_bundle.manifest
    return Bundle.create(
        tiny_bundle.path,
        {**tiny_bundle.files, **files},
        spec=msgspec.structs.replace(tiny_bundle.spec, degrade="every_second_task"),
        **{name: getattr(manifest, name) for name in ("target", "precision", "input", "outputs")},
        lighter=tuple(files),
    )


def _part(bundle: Bundle, tasks: tuple[str, ...]) -> Bundle:
    """Of a bundle of `make_bundle` in float32, where one node makes an output."""
    onnx = pytest.importorskip("onnx", reason="onnx, of the extra export, makes the test network")
    kept = tuple(task for task in bundle.spec.tasks if task.name in tasks)
    spec = msgspec.structs.replace(bundle.spec, tasks=kept)
    names = {tensor.name for tensor in spec.output_tensors}
    graph = onnx.load_from_string(bundle.network).graph
    nodes = [node for node in graph.node if node.output[0] in names]
    read = {name for node in nodes for name in node.input}
    part = onnx.helper.make_graph(
        nodes,
        graph.name,
        graph.input,
        [value for value in graph.output if value.name in names],
        [each for each in graph.initializer if each.name in read],
    )
    opset = [onnx.helper.make_opsetid("", 19)]
    model = onnx.helper.make_model(part, opset_imports=opset, ir_version=9)
    return Bundle.create(
        bundle.path,
        {"network.onnx": model.SerializeToString()},
        spec=spec,
        target="cpu",
        precision="fp32",
        input=spec.input_tensor,
        outputs=spec.output_tensors,
    )


@pytest.fixture(scope="session")
def tiny_bundle_8bit(tiny_spec: ModelSpec) -> Bundle:
    """The same network with uint8 pixels in and uint8 logits out."""
    return make_bundle(tiny_spec, "uint8")


@pytest.fixture(scope="session")
def tiny_bundle_path(tiny_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`tiny_bundle` as a file."""
    path = tmp_path_factory.mktemp("bundle") / "tiny.emtl"
    Bundle(path, tiny_bundle.manifest, tiny_bundle.files).save()
    return path


@pytest.fixture(scope="session")
def tiny_bundle_half(tiny_spec: ModelSpec) -> Bundle:
    """The same network with float16 pixels in and float16 logits out."""
    return make_bundle(tiny_spec, "float16")


def make_bundle(
    spec: ModelSpec, edges: Literal["float32", "float16", "uint8"], batch: int = 1
) -> Bundle:
    """A bundle of random convolutions, in memory."""
    input_tensor, *rest = (
        msgspec.structs.replace(each, shape=(batch, *each.shape[1:]))
        for each in (spec.input_tensor, *spec.output_tensors)
    )
    outputs = tuple(rest)
    if edges == "uint8":
        input_tensor = _quantized(input_tensor, 0.02, 118)
        outputs = tuple(_quantized(each, EDGE_SCALE, EDGE_ZERO_POINT) for each in outputs)
    elif edges == "float16":
        input_tensor, *outputs_list = (
            msgspec.structs.replace(each, dtype=edges) for each in (input_tensor, *outputs)
        )
        outputs = tuple(outputs_list)
    return Bundle.create(
        Path("tiny.emtl"),
        {"network.onnx": _network(spec, input_tensor, outputs)},
        spec=spec,
        target="cpu",
        precision="int8" if edges == "uint8" else "fp32",
        input=input_tensor,
        outputs=outputs,
    )


def _quantized(tensor: TensorSpec, scale: float, zero_point: int) -> TensorSpec:
    return msgspec.structs.replace(tensor, dtype="uint8", scale=scale, zero_point=zero_point)


def _network(spec: ModelSpec, image: TensorSpec, outputs: tuple[TensorSpec, ...]) -> bytes:
    onnx = pytest.importorskip("onnx", reason="onnx, of the extra export, makes the test network")
    nodes: list[Any] = []
    weights: list[Any] = []

    def constant(name: str, value: Any) -> str:
        weights.append(onnx.numpy_helper.from_array(value, name))
        return name

    def edge(kind: str, tensor: TensorSpec, source: str, target: str) -> None:
        scale = constant(f"{tensor.name}_scale", np.float32(tensor.scale))
        zero_point = constant(f"{tensor.name}_zero", np.uint8(tensor.zero_point))
        nodes.append(onnx.helper.make_node(kind, [source, scale, zero_point], [target]))

    def cast(source: str, target: str, kind: int) -> None:
        nodes.append(onnx.helper.make_node("Cast", [source], [target], to=kind))

    source = image.name
    if image.dtype == "uint8":
        source = "image_float"
        edge("DequantizeLinear", image, image.name, source)
    elif image.dtype == "float16":
        source = "image_float"
        cast(image.name, source, onnx.TensorProto.FLOAT)
    rng = np.random.default_rng(0)
    for tensor in outputs:
        stride = spec.input.height // tensor.shape[2]
        kernel = rng.standard_normal((tensor.shape[1], 3, stride, stride)).astype(np.float32)
        target = tensor.name if tensor.dtype == "float32" else f"{tensor.name}_float"
        nodes.append(
            onnx.helper.make_node(
                "Conv",
                [source, constant(f"{tensor.name}_weight", kernel / stride)],
                [target],
                strides=[stride, stride],
            )
        )
        if tensor.dtype == "uint8":
            edge("QuantizeLinear", tensor, target, tensor.name)
        elif tensor.dtype == "float16":
            cast(target, tensor.name, onnx.TensorProto.FLOAT16)
    graph = onnx.helper.make_graph(
        nodes,
        spec.name,
        [_declaration(onnx, image)],
        [_declaration(onnx, tensor) for tensor in outputs],
        weights,
    )
    opset = [onnx.helper.make_opsetid("", 19)]
    model = onnx.helper.make_model(graph, opset_imports=opset, ir_version=9)
    onnx.checker.check_model(model)
    network: bytes = model.SerializeToString()
    return network


def _declaration(onnx: Any, tensor: TensorSpec) -> Any:
    kinds = {
        "float32": onnx.TensorProto.FLOAT,
        "float16": onnx.TensorProto.FLOAT16,
        "uint8": onnx.TensorProto.UINT8,
    }
    return onnx.helper.make_tensor_value_info(tensor.name, kinds[tensor.dtype], tensor.shape)


@pytest.fixture(scope="session")
def tiny_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """30 frames of 96x64 at 25 frames/s that get brighter."""
    path = tmp_path_factory.mktemp("video") / "tiny.mp4"
    write_video(path, 30)
    return path


def write_video(path: Path, frames: int) -> None:
    """A video of 96x64 frames, of which frame `i` is grey of about `4 * i % 256`."""
    cv2 = pytest.importorskip("cv2", reason="OpenCV, of the extra cpu, writes the test video")
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 25.0, (96, 64))
    for index in range(frames):
        writer.write(np.full((64, 96, 3), 4 * index % 256, np.uint8))
    writer.release()


def _assert_same_scene(found: Scene, expected: Scene) -> None:
    for name, mask in expected.masks.items():
        np.testing.assert_array_equal(found.masks[name].labels, mask.labels)
    for name, boxes in expected.detections.items():
        np.testing.assert_array_equal(found.detections[name].class_ids, boxes.class_ids)
        np.testing.assert_array_equal(found.detections[name].boxes, boxes.boxes)
        np.testing.assert_array_equal(found.detections[name].scores, boxes.scores)
    for name, poses in expected.poses.items():
        np.testing.assert_array_equal(found.poses[name].rows, poses.rows)
        np.testing.assert_array_equal(found.poses[name].points, poses.points)
        np.testing.assert_array_equal(found.poses[name].scores, poses.scores)
    for name, scores in expected.classifications.items():
        np.testing.assert_array_equal(found.classifications[name].scores, scores.scores)


@pytest.fixture(scope="session")
def assert_same() -> Callable[[Scene, Scene], None]:
    """Every bit of two scenes' results is the same."""
    return _assert_same_scene


KERNELS = Path(__file__).parents[1] / "kernels"
SHIM = "-x c++ -std=c++20 -O1 -ffp-contract=off -shared -fPIC -pthread -Wall -Wextra -Werror"


@pytest.fixture(scope="session")
def on_host(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], ctypes.CDLL]:
    """A GPU's kernel, compiled for the host (kernels/host_shim.h), with the flags that are in the
    environment as EDGE_MTL_SHIM_FLAGS."""
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("no g++ to compile the kernel with")

    def compiled(source: str) -> ctypes.CDLL:
        library = tmp_path_factory.mktemp("shim") / "kernel.so"
        flags = f"{SHIM} -Wno-unknown-pragmas {os.environ.get('EDGE_MTL_SHIM_FLAGS', '')}"
        files = [str(KERNELS / source), "-o", str(library)]
        subprocess.run([compiler, *flags.split(), *files], check=True)
        return ctypes.CDLL(str(library))

    return compiled
