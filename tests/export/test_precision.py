"""The gate and what it does, on a network of three layers of which two cannot bear 8 bits."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edge_mtl.bundle import Bundle
from edge_mtl.cli.export_tables import report_tables
from edge_mtl.data.sample import Sample, Vocabulary
from edge_mtl.engine_file import EngineFile
from edge_mtl.export import decision, deployment, exporter
from edge_mtl.export.exporter import Export, ExportSettings, export_graph
from edge_mtl.export.gate import with_tolerances
from edge_mtl.export.latency import Latencies
from edge_mtl.export.precision import GateError
from edge_mtl.export.tensorrt_builder import EngineRequest
from edge_mtl.machine import Gpu
from edge_mtl.runtime.pipeline import Pipeline
from edge_mtl.spec import InputSpec, ModelSpec
from edge_mtl.tasks import ClassificationTask, SegmentationTask

SPEC = ModelSpec(
    name="three",
    input=InputSpec(width=64, height=32),
    backbone="none",
    tasks=(
        SegmentationTask(name="ground", classes=("sky", "road", "car"), stride=1),
        SegmentationTask(name="other", classes=("off", "on"), stride=1, binary=True),
    ),
)
LOUD = 3000.0
GROUND = {"conv_first", "relu_first", "conv_second", "relu_second", "conv_third"}
STRICT = ExportSettings(tolerances=with_tolerances(["5"]), elsewhere=True)


def three_layers(loud: float = LOUD) -> onnx.ModelProto:
    """Of the first layer's eight channels one is `loud` times the others, which the second layer
    takes back: float computes the same whatever it is, 8 bits hear nothing else. "other" hangs on
    the input and does not suffer."""
    rng = np.random.default_rng(0)

    def kernel(rows: int, columns: int) -> Any:
        return rng.normal(size=(rows, columns, 1, 1)).astype(np.float32)

    first, second, third, other = kernel(8, 3), kernel(8, 8), kernel(3, 8), kernel(1, 3)
    first[0] *= loud
    second[:, 0] /= loud
    weights = {"first": first, "second": second, "third": third, "other": other}
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["image", "first.weight"], ["a"], "conv_first"),
            helper.make_node("Relu", ["a"], ["b"], "relu_first"),
            helper.make_node("Conv", ["b", "second.weight"], ["c"], "conv_second"),
            helper.make_node("Relu", ["c"], ["d"], "relu_second"),
            helper.make_node("Conv", ["d", "third.weight"], ["ground"], "conv_third"),
            helper.make_node("Conv", ["image", "other.weight"], ["other"], "conv_other"),
        ],
        "three",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, (1, 3, 32, 64))],
        [
            helper.make_tensor_value_info("ground", TensorProto.FLOAT, (1, 3, 32, 64)),
            helper.make_tensor_value_info("other", TensorProto.FLOAT, (1, 1, 32, 64)),
        ],
        [numpy_helper.from_array(each, f"{name}.weight") for name, each in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


class Noise:
    """Pictures in which every pixel is another one, without labels."""

    name = "noise"
    vocabulary = Vocabulary({})

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Sample:
        rng = np.random.default_rng(index)
        return Sample(rng.integers(0, 256, (32, 64, 3), np.uint8), f"noise {index}")


def exported(
    model: onnx.ModelProto, settings: ExportSettings = STRICT, spec: ModelSpec = SPEC, **more: Any
) -> Export:
    return export_graph(model, spec, Path("a.emtl"), settings, Noise(32), Noise(4), **more)


def precisions(made: Export) -> dict[str, str]:
    return {layer.name: layer.precision for layer in made.report.layers}


def test_what_bears_8_bits_is_in_8_bits_throughout() -> None:
    made = exported(three_layers(1.0))
    assert made.report.kept == "int8"
    assert set(precisions(made).values()) == {"int8"}
    assert [each.name for each in made.report.candidates] == ["fp32", "int8"]
    assert {each.dtype for each in made.bundle.manifest.outputs} == {"uint8"}


def test_lesson_only_the_layers_that_8_bits_ruin_fall_back() -> None:
    """YOLOX#641: accuracy halved, and the only ways out were all of INT8 or none."""
    made = exported(three_layers())
    assert [each.passed for each in made.report.candidates] == [True, False, True]
    assert made.report.kept == "int8, 2 layers float"
    assert precisions(made) == {
        "first": "fp32",
        "second": "fp32",
        "third": "int8",
        "other": "int8",
    }
    # The report says why: what each layer alone did to the task that failed, which was one of two.
    errors = {layer.name: layer.error for layer in made.report.layers}
    assert errors["other"] == {}
    assert all(each.keys() == {"ground"} for name, each in errors.items() if name != "other")
    assert max(errors["first"]["ground"], errors["second"]["ground"]) > errors["third"]["ground"]
    manifest = made.bundle.manifest
    assert manifest.precision == "int8"
    assert manifest.report == json.loads(json.dumps(made.report.to_json(times=False)))


def test_lesson_a_network_ruined_in_8_bits_never_leaves_the_gate_as_int8() -> None:
    """ultralytics#19518, #22644: INT8 models that find nothing at all."""
    none = replace(STRICT, tolerances=with_tolerances(["0"]))
    made = exported(three_layers(), none, nodes=GROUND)
    manifest = made.bundle.manifest
    assert (made.report.kept, manifest.precision, manifest.calibration) == ("fp32", "fp32", None)
    assert made.report.reason == "a task loses more than it may in anything less"
    assert set(precisions(made).values()) == {"fp32"}
    assert made.after == made.before


@pytest.fixture
def builder(monkeypatch: pytest.MonkeyPatch) -> None:
    """TensorRT is not needed to find the precision of what it would build."""
    monkeypatch.setattr(exporter, "plan_engine", lambda *_: None)


@pytest.mark.usefixtures("builder")
def test_lesson_what_8_bits_empty_is_float16_on_a_gpu() -> None:
    """TensorRT#4074: INT8 alone finds nothing, INT8 with FP16 does."""
    for_gpu = replace(STRICT, target="tensorrt-rtx")
    tight = replace(for_gpu, tolerances=with_tolerances(["0.1"]))
    made = exported(three_layers(), tight, nodes=GROUND)
    assert made.report.kept == "fp16"
    assert set(precisions(made).values()) == {"fp16"}
    assert made.bundle.manifest.precision == "fp16"
    mixed = exported(three_layers(), for_gpu)
    assert mixed.report.kept == "int8, 1 layer float"
    assert set(precisions(mixed).values()) == {"int8", "fp16"}


def test_lesson_8_bits_may_be_slower_than_float16_on_a_gpu_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """TensorRT#3762, #2067, #4554: where the GPU is at hand, both engines are built and timed, each
    once, and the faster one is deployed."""
    request = EngineRequest(compute_capabilities=("8.9",))
    monkeypatch.setattr(exporter, "plan_engine", lambda *_: request)
    monkeypatch.setattr(exporter, "gpus", lambda: [Gpu("RTX 4090", (8, 9), (13, 0))])
    built: list[bool] = []

    def build(
        network: bytes, wanted: EngineRequest, progress: object
    ) -> tuple[dict[str, bytes], dict[str, EngineFile]]:
        built.append(wanted.half)
        entry = EngineFile(
            module="tensorrt_rtx",
            version="1.7.1",
            platform="linux-x86_64",
            compute_capabilities=wanted.compute_capabilities,
            precision="int8+fp16" if b"QuantizeLinear" in network else "fp16",
            network_sha256="0" * 64,
        )
        return {"n.engine": b"engine"}, {"n.engine": entry}

    monkeypatch.setattr(deployment, "build_files", build)
    ms = {"fp32": 3.0, "int8": 1.2, "fp16": 1.0}

    def timed(bundles: dict[str, Bundle], engines: tuple[str, ...]) -> Latencies:
        assert engines == ("tensorrt-rtx",)
        assert all(bundle.manifest.engines for bundle in bundles.values())
        return {name: {"tensorrt-rtx": ms[name]} for name in bundles}

    monkeypatch.setattr(decision, "latencies", timed)
    here = replace(STRICT, target="tensorrt-rtx", elsewhere=False)
    made = exported(three_layers(1.0), here)
    assert made.report.kept == "fp16"
    assert made.bundle.manifest.engines["n.engine"].precision == "fp16"
    assert built == [False, True, True]  # float32, 8 bits, float16: none of them twice
    ms["int8"] = 0.8
    made = exported(three_layers(1.0), here)
    assert made.report.kept == "int8"
    assert made.bundle.manifest.engines["n.engine"].precision == "int8+fp16"

    # A GPU of another kind says nothing, and nothing but what is deployed is built.
    monkeypatch.setattr(exporter, "gpus", lambda: [Gpu("RTX 3090", (8, 6), (13, 0))])
    built.clear()
    assert exported(three_layers(1.0), here).report.kept == "int8"
    assert built == [True]


@pytest.mark.usefixtures("builder")
def test_where_not_even_float16_passes_the_failure_says_what_and_by_how_much() -> None:
    """One channel is beyond float16."""
    settings = replace(STRICT, target="tensorrt-rtx", tolerances=with_tolerances(["0.1"]))
    with pytest.raises(GateError, match=r"ground loses \d\.\d\d points of pixel_accuracy") as info:
        exported(three_layers(6e4), settings, nodes=GROUND)
    assert "\n" not in str(info.value)
    report = info.value.report
    assert [each.name for each in report.candidates][-1] == "fp16"
    assert not any(each.passed for each in report.candidates[1:])
    assert [table.title for table in report_tables(report)]


def test_lesson_8_bits_that_are_slower_than_float_are_not_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """TensorRT#3197, #3762, #2067, #4554: Q/DQ slower than FP16."""
    times = {"fp32": {"onnxruntime": 3.0, "openvino": 2.0}, "int8": {"onnxruntime": 2.5}}
    monkeypatch.setattr(decision, "latencies", lambda bundles, engines: times)
    here = replace(STRICT, elsewhere=False)
    made = exported(three_layers(1.0), here)
    assert made.report.kept == "fp32"
    assert made.report.reason.startswith("the fastest here")
    assert made.report.candidates[1].latency_ms == {"onnxruntime": 2.5}
    assert "latency_ms" not in json.dumps(made.bundle.manifest.report)  # the same in every run
    times["int8"]["openvino"] = 1.0
    assert exported(three_layers(1.0), here).report.kept == "int8"
    # On another machine these say nothing.
    times["int8"]["openvino"] = 9.0
    assert exported(three_layers(1.0)).report.kept == "int8"


def test_lesson_the_fastest_is_not_kept_where_it_is_wrong(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """yolov12#138: an engine of 0.9 ms, and of mAP 0.002."""
    ms = {"fp32": 3.0, "int8": 0.9, "int8, 2 layers float": 2.0}
    times = {name: {"onnxruntime": value} for name, value in ms.items()}
    monkeypatch.setattr(decision, "latencies", lambda bundles, engines: times)
    here = replace(STRICT, elsewhere=False)
    assert exported(three_layers(), here).report.kept == "int8, 2 layers float"
    # What was repaired is not kept for its own sake.
    times["int8, 2 layers float"]["onnxruntime"] = 3.1
    assert exported(three_layers(), here).report.kept == "fp32"


def test_latencies_are_of_every_engine_that_is_installed() -> None:
    pytest.importorskip("openvino", reason="openvino, of the extra cpu, is missing")
    made = exported(three_layers(1.0), replace(STRICT, elsewhere=False))
    for each in made.report.candidates:
        assert each.latency_ms.keys() == {"onnxruntime", "openvino"}
        assert all(value > 0 for value in each.latency_ms.values())
    titles = [table.title for table in report_tables(made.report)]
    assert titles[1] == "latency of the network here, ms"


def test_nodes_that_may_not_be_quantised_are_not() -> None:
    made = exported(three_layers(1.0), nodes={"conv_third", "conv_other"})
    assert precisions(made) == {"third": "int8", "other": "int8"}
    kernels = {each.name for each in onnx.load_from_string(made.bundle.network).graph.initializer}
    assert {"first.weight", "second.weight", "third.weight_quantized"} <= kernels


def test_a_head_that_falls_back_has_a_float_edge() -> None:
    made = exported(three_layers(1.0), nodes={"conv_first", "relu_first", "conv_other"})
    dtypes = {each.name: each.dtype for each in made.bundle.manifest.outputs}
    assert dtypes == {"ground": "float32", "other": "uint8"}


def wide_logits() -> onnx.ModelProto:
    """The first logit of "ground" goes down to a thousand times what the others differ by: eight
    bits of such an edge tell them no more apart."""
    model = three_layers(1.0)
    third = next(each for each in model.graph.initializer if each.name == "third.weight")
    kernel = numpy_helper.to_array(third).copy()
    kernel[0] = -1000 * np.abs(kernel[0])
    third.CopyFrom(numpy_helper.from_array(kernel, third.name))
    return model


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_an_edge_that_8_bits_ruin_is_float_and_the_others_are_not(engine: str) -> None:
    pytest.importorskip(engine, reason=f"{engine}, of the extra cpu, is missing")
    made = exported(wide_logits())
    assert made.report.kept == "int8, 1 layer float"
    assert precisions(made) == {
        "first": "int8",
        "second": "int8",
        "third": "fp32",
        "other": "int8",
    }
    dtypes = {each.name: each.dtype for each in made.bundle.manifest.outputs}
    assert dtypes == {"ground": "float32", "other": "uint8"}
    assert made.bundle.manifest.input.dtype == "uint8"
    # The head reads the two of them in one call, and sees what it sees of float ones.
    floating = export_graph(
        wide_logits(),
        SPEC,
        Path("b.emtl"),
        ExportSettings(precision="fp32"),
        Noise(0),
        Noise(1),
    )
    image = Noise(8)[7].image
    with (
        Pipeline.from_bundle(made.bundle, engine, 1) as pipeline,
        Pipeline.from_bundle(floating.bundle, engine, 1) as reference,
    ):
        found, expected = pipeline(image), reference(image)
    for name in ("ground", "other"):
        assert (found.masks[name].labels == expected.masks[name].labels).mean() > 0.95


def test_classes_of_whole_pictures_are_gated_by_agreement() -> None:
    task = ClassificationTask(name="time", classes=("day", "dusk", "night"))
    spec = ModelSpec(name="time", input=SPEC.input, backbone="none", tasks=(task,))
    model = three_layers()
    graph = model.graph
    del graph.output[:]
    graph.node.append(helper.make_node("GlobalAveragePool", ["ground"], ["time"], "mean"))
    graph.output.append(helper.make_tensor_value_info("time", TensorProto.FLOAT, (1, 3, 1, 1)))
    made = exported(model, spec=spec)
    [verdict, *_] = made.report.candidates[1].verdicts
    assert (verdict.task, verdict.basis, verdict.figure) == ("time", "agreement", "accuracy")
