"""Model repositories for Triton, read by its published schema and run by a small double of it.

The double does what Triton's documentation says of ensembles and of the Python backend. A real
`tritonserver` has not run these.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from edge_mtl.bundle import Bundle
from edge_mtl.cli import app
from edge_mtl.engine_file import EngineFile
from edge_mtl.errors import EdgeMtlError
from edge_mtl.export.triton_repository import write_repository
from edge_mtl.runtime.pipeline import Pipeline
from edge_mtl.scene import Scene
from edge_mtl.spec import ModelSpec, PlaneInput

pytest.importorskip("onnxruntime", reason="onnxruntime, of the extra cpu, is missing")
text_format = pytest.importorskip("google.protobuf.text_format", reason="protobuf is missing")


def load_schema() -> Any:
    """Triton's `model_config.proto` as its own client ships it, without the client's imports."""
    try:
        files = importlib.metadata.files("tritonclient") or []
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("tritonclient, of the extra dev, is missing")
    [path] = (each for each in files if str(each).endswith("tritonclient/grpc/model_config_pb2.py"))
    return load("model_config_pb2", Path(str(path.locate())))


def load(name: str, path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def schema() -> Any:
    return load_schema()


@dataclass
class Tensor:
    """As of `triton_python_backend_utils`."""

    name: str
    array: NDArray[Any]

    def as_numpy(self) -> NDArray[Any]:
        return self.array


@dataclass
class Response:
    output_tensors: list[Tensor]
    error: Any = None


@pytest.fixture
def backend_utils(monkeypatch: pytest.MonkeyPatch) -> None:
    module: Any = types.ModuleType("triton_python_backend_utils")
    module.Tensor, module.InferenceResponse, module.TritonError = Tensor, Response, str
    module.get_input_tensor_by_name = lambda request, name: next(
        (tensor for tensor in request if tensor.name == name), None
    )
    monkeypatch.setitem(sys.modules, "triton_python_backend_utils", module)


DTYPES = {
    "TYPE_FP32": np.float32,
    "TYPE_FP16": np.float16,
    "TYPE_UINT8": np.uint8,
    "TYPE_INT8": np.int8,
    "TYPE_INT32": np.int32,
}


class Server:
    """Loads a repository and serves its ensemble, checking what Triton would check."""

    def __init__(self, folder: Path, schema: Any) -> None:
        self.folder = folder
        self.schema = schema
        self.configs = {
            path.parent.name: text_format.Parse(path.read_text(), schema.ModelConfig())
            for path in folder.glob("*/config.pbtxt")
        }
        for name, config in self.configs.items():
            assert config.name == name, "a model is called as its folder"
            assert (folder / name / "1").is_dir(), "every model has a version"
            assert bool(config.backend) != (config.platform == "ensemble")
            assert len({each.name for each in config.input}) == len(config.input) > 0
            assert len({each.name for each in config.output}) == len(config.output) > 0
            for each in (*config.input, *config.output):
                assert all(size >= 1 or size == -1 for size in each.dims)
        [self.ensemble] = (c for c in self.configs.values() if c.platform == "ensemble")
        self.models = {
            name: self._python(name) for name, c in self.configs.items() if c.backend == "python"
        }
        self._check_ensemble()

    def _python(self, name: str) -> Any:
        model = load(f"model_of_{name}", self.folder / name / "1" / "model.py").TritonPythonModel()
        model.initialize({"model_config": "{}", "model_name": name, "model_version": "1"})
        return model

    def _check_ensemble(self) -> None:
        """Every tensor has one writer, is there before it is read, and is what its reader wants."""
        known = {each.name: (each.data_type, list(each.dims)) for each in self.ensemble.input}
        for step in self.ensemble.ensemble_scheduling.step:
            config = self.configs[step.model_name]
            for edges, mapped in ((config.input, step.input_map), (config.output, step.output_map)):
                assert {each.name for each in edges} == set(mapped)
            for each in config.input:
                assert known[step.input_map[each.name]] == (each.data_type, list(each.dims))
            for each in config.output:
                assert step.output_map[each.name] not in known
                known[step.output_map[each.name]] = (each.data_type, list(each.dims))
        for each in self.ensemble.output:
            assert known[each.name] == (each.data_type, list(each.dims))

    def __call__(self, **inputs: NDArray[Any]) -> dict[str, NDArray[Any]]:
        known = dict(inputs)
        self._check(self.ensemble.input, known)
        for step in self.ensemble.ensemble_scheduling.step:
            config = self.configs[step.model_name]
            given = {name: known[source] for name, source in step.input_map.items()}
            self._check(config.input, given)
            found = self._run(config, given)
            self._check(config.output, found)
            known |= {target: found[name] for name, target in step.output_map.items()}
        return {each.name: known[each.name] for each in self.ensemble.output}

    def _check(self, edges: Any, arrays: dict[str, NDArray[Any]]) -> None:
        for each in edges:
            array = arrays[each.name]
            assert array.dtype == DTYPES[self.schema.DataType.Name(each.data_type)], each.name
            pairs = zip(array.shape, each.dims, strict=True)
            assert all(size == wanted or wanted == -1 for size, wanted in pairs), each.name

    def _run(self, config: Any, given: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        if config.backend == "python":
            request = [Tensor(name, array) for name, array in given.items()]
            [response] = self.models[config.name].execute([request])
            assert response.error is None, response.error
            return {tensor.name: tensor.as_numpy() for tensor in response.output_tensors}
        import onnxruntime

        assert config.backend == "onnxruntime"
        path = self.folder / config.name / "1" / config.default_model_filename
        # As `OnnxRuntimeEngine`: float weights between 8-bit activations, which the test's network
        # has and an exported one has not, stay float.
        session = onnxruntime.InferenceSession(
            path,
            providers=["CPUExecutionProvider"],
            disabled_optimizers=["WeightBiasQuantization"],
        )
        names = [each.name for each in config.output]
        return dict(zip(names, session.run(names, given), strict=True))


def scene_of(spec: ModelSpec, results: dict[str, NDArray[Any]], like: Scene) -> Scene:
    """The scene that a client would make of what the server answers."""

    def kept(name: str, fields: tuple[str, ...]) -> dict[str, NDArray[Any]]:
        [count] = results[f"{name}_count"]
        return {field: results[f"{name}_{field}"][:count] for field in fields}

    replace = msgspec.structs.replace
    return replace(
        like,
        detections={
            name: replace(each, **kept(name, ("boxes", "scores", "class_ids")))
            for name, each in like.detections.items()
        },
        masks={
            name: replace(each, labels=results[f"{name}_labels"])
            for name, each in like.masks.items()
        },
        poses={
            name: replace(each, **kept(name, ("rows", "points", "scores")))
            for name, each in like.poses.items()
        },
        classifications={
            name: replace(each, scores=results[f"{name}_scores"])
            for name, each in like.classifications.items()
        },
    )


@pytest.fixture(params=["tiny_bundle", "tiny_bundle_8bit", "tiny_bundle_half"])
def bundle(request: pytest.FixtureRequest) -> Bundle:
    """With float, 8-bit and half-precision edges."""
    found: Bundle = request.getfixturevalue(request.param)
    return found


@pytest.mark.usefixtures("backend_utils")
def test_the_server_answers_what_the_pipeline_sees(
    bundle: Bundle, schema: Any, tmp_path: Path, assert_same: Callable[[Scene, Scene], None]
) -> None:
    names = write_repository(bundle, tmp_path)
    assert names == ["tiny", "tiny-preprocess", "tiny-network", "tiny-head"]
    server = Server(tmp_path, schema)
    with Pipeline.from_bundle(bundle, "onnxruntime", threads=1) as pipeline:
        for seed, size in enumerate([(64, 96), (72, 128), (33, 61)]):
            frame = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
            expected = pipeline(frame)
            results = server(image=frame)
            assert_same(scene_of(bundle.spec, results, expected), expected)
            assert len(expected.detections["detection"]) > 0


@pytest.mark.usefixtures("backend_utils")
def test_what_is_not_found_is_padding(tiny_bundle: Bundle, schema: Any, tmp_path: Path) -> None:
    write_repository(tiny_bundle, tmp_path)
    results = Server(tmp_path, schema)(image=np.zeros((64, 96, 3), np.uint8))
    [count] = results["detection_count"]
    assert count < len(results["detection_boxes"]) == 128
    assert (results["detection_class_ids"][count:] == -1).all()
    assert not results["detection_scores"][count:].any()


@pytest.mark.usefixtures("backend_utils")
def test_one_bad_request_does_not_take_the_others_with_it(
    tiny_bundle: Bundle, schema: Any, tmp_path: Path
) -> None:
    write_repository(tiny_bundle, tmp_path)
    model = Server(tmp_path, schema).models["tiny-preprocess"]
    good = [Tensor("image", np.zeros((64, 96, 3), np.uint8))]
    grey, empty = ([Tensor("image", np.zeros(shape, np.uint8))] for shape in ((64, 96), (0, 96, 3)))
    responses = model.execute([good, grey, [], empty, good])
    assert [response.error is None for response in responses] == [True, False, False, False, True]
    assert "expected a frame of shape (H, W, 3)" in responses[1].error
    assert "found no image" in responses[2].error


def test_a_plane_is_an_input_of_the_ensemble(
    tiny_bundle: Bundle, schema: Any, tmp_path: Path, backend_utils: None
) -> None:
    spec = msgspec.structs.replace(tiny_bundle.spec, planes=(PlaneInput(name="depth"),))
    onnx = pytest.importorskip("onnx", reason="onnx, of the extra export, changes the network")
    model = onnx.load_model_from_string(tiny_bundle.network)
    shape = (1, 1, 64, 96)
    model.graph.input.append(onnx.helper.make_tensor_value_info("depth", 1, shape))
    manifest = tiny_bundle.manifest
    edges = {"input": manifest.input, "outputs": manifest.outputs, "planes": spec.plane_tensors}
    files = {"network.onnx": model.SerializeToString()}
    facts = {"spec": spec, "target": "cpu", "precision": "fp32"}
    write_repository(Bundle.create(tmp_path / "b.emtl", files, **facts, **edges), tmp_path)
    server = Server(tmp_path, schema)
    frame, depth = np.zeros((64, 96, 3), np.uint8), np.full((64, 96), 200, np.uint8)
    [response] = server.models["tiny-preprocess"].execute(
        [[Tensor("image", frame), Tensor("depth", depth)]]
    )
    made = {tensor.name: tensor.as_numpy() for tensor in response.output_tensors}
    assert np.allclose(made["_depth"], 200 / 255, atol=1e-6)
    assert server(image=frame, depth=depth)["classes_labels"].shape == (64, 96)


def test_engines_of_tensorrt_are_served_by_compute_capability(
    tiny_bundle: Bundle, schema: Any, tmp_path: Path, backend_utils: None
) -> None:
    manifest = tiny_bundle.manifest
    orin = EngineFile(
        module="tensorrt",
        version="10.3.0",
        platform="linux-aarch64",
        compute_capabilities=("8.7",),
        precision="int8+fp16",
        network_sha256="0" * 64,
    )
    ada = msgspec.structs.replace(orin, compute_capabilities=("8.9", "8.6"))
    fields = ("spec", "target", "precision", "input", "outputs")
    facts = {name: getattr(manifest, name) for name in fields}
    files = {**tiny_bundle.files, "orin.engine": b"of Orin", "ada.engine": b"of Ada"}
    engines = {"orin.engine": orin, "ada.engine": ada}
    write_repository(tiny_bundle, tmp_path)  # whose ONNX graph is replaced
    write_repository(Bundle.create(tmp_path / "b.emtl", files, **facts, engines=engines), tmp_path)
    config = Server(tmp_path, schema).configs["tiny-network"]
    assert config.backend == "tensorrt"
    plans = {
        capability: (tmp_path / "tiny-network" / "1" / name).read_bytes()
        for capability, name in config.cc_model_filenames.items()
    }
    assert plans == {"8.7": b"of Orin", "8.9": b"of Ada", "8.6": b"of Ada"}
    assert not (tmp_path / "tiny-network" / "1" / "model.onnx").exists()

    rtx = msgspec.structs.replace(orin, module="tensorrt_rtx")
    only = Bundle.create(tmp_path / "b.emtl", files, **facts, engines={"orin.engine": rtx})
    with pytest.raises(EdgeMtlError, match="TensorRT-RTX, which Triton does not load"):
        write_repository(only, tmp_path)


def test_the_configuration_tells_the_classes(
    tiny_bundle: Bundle, schema: Any, tmp_path: Path, backend_utils: None
) -> None:
    write_repository(tiny_bundle, tmp_path)
    parameters = Server(tmp_path, schema).ensemble.parameters
    told = {key: json.loads(value.string_value) for key, value in parameters.items()}
    assert told["classes.detection"] == ["Car", "Pedestrian", "Bicyclist"]
    assert told["classes.time"] == ["day", "night"]
    assert told["keypoints.pose"] == ["nose", "left_hip"]


def test_names_in_any_language_and_with_quotes_survive(
    tiny_bundle: Bundle, schema: Any, tmp_path: Path, backend_utils: None
) -> None:
    classes = ('"quoted"', "straße", "back\\slash", "交通")
    tasks = tuple(
        msgspec.structs.replace(task, classes=classes) if task.name == "classes" else task
        for task in tiny_bundle.spec.tasks
    )
    spec = msgspec.structs.replace(tiny_bundle.spec, tasks=tasks)
    manifest = msgspec.structs.replace(tiny_bundle.manifest, spec=spec)
    write_repository(Bundle(tmp_path / "b.emtl", manifest, tiny_bundle.files), tmp_path)
    parameters = Server(tmp_path, schema).ensemble.parameters
    assert json.loads(parameters["classes.classes"].string_value) == list(classes)


def test_a_plane_that_is_called_as_a_result(tiny_bundle: Bundle, tmp_path: Path) -> None:
    plane = PlaneInput(name="drivable_labels")
    spec = msgspec.structs.replace(tiny_bundle.spec, planes=(plane,))
    manifest = msgspec.structs.replace(tiny_bundle.manifest, spec=spec)
    with pytest.raises(EdgeMtlError, match="found 'drivable_labels' twice: rename"):
        write_repository(Bundle(tmp_path / "b.emtl", manifest, tiny_bundle.files), tmp_path)


def test_lesson_a_bundle_of_a_larger_batch_is_refused(tiny_bundle: Bundle, tmp_path: Path) -> None:
    """DeepStream-Yolo#667: of a batch only the first item was filled."""
    tensor = msgspec.structs.replace(tiny_bundle.manifest.input, shape=(2, 3, 64, 96))
    manifest = msgspec.structs.replace(tiny_bundle.manifest, input=tensor)
    with pytest.raises(EdgeMtlError, match="found 'image' of 2: export the model with batch 1"):
        write_repository(Bundle(tmp_path / "b.emtl", manifest, tiny_bundle.files), tmp_path)


def test_the_command_line_makes_a_repository_of_a_bundle(
    tiny_bundle_path: Path, schema: Any, tmp_path: Path, backend_utils: None
) -> None:
    command = ["export", tiny_bundle_path, "-o", tmp_path / "models", "--target", "triton"]
    result = CliRunner().invoke(app, list(map(str, command)))
    assert result.exit_code == 0, result.output
    assert "a model repository that serves tiny" in result.output
    assert Server(tmp_path / "models", schema).ensemble.name == "tiny"
