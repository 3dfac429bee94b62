"""From an ONNX file to a bundle that is quantised, judged and runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
import pytest

from edge_mtl.bundle import Bundle
from edge_mtl.config import load_config
from edge_mtl.errors import UsageError
from edge_mtl.export.engine_plan import EngineWishes
from edge_mtl.export.exporter import ExportSettings, export_graph
from edge_mtl.export.foreign.import_spec import ImportSpec
from edge_mtl.export.foreign.importer import Imported, import_network
from edge_mtl.runtime.pipeline import Pipeline

HEAD = 'name = "net"\n[input]\nwidth = 96\nheight = 64\n'
MASK = '[[tasks]]\ntype = "segmentation"\nname = "s"\nclasses = ["a", "b", "c"]\nstride = 4\n'
BOXES = (
    '[[tasks]]\ntype = "decoded_detection"\nclasses = ["x", "y"]\ncandidates = 96\n'
    "score_threshold = 0.5\n"
)
OUTPUTS = '[import.outputs]\ndetection = "boxes"\n'
Import = Callable[..., Imported]


@pytest.fixture
def imported(tmp_path: Path, pictures: Any) -> Import:
    def make(model: onnx.ModelProto, toml: str, **more: Any) -> Imported:
        path, spec = tmp_path / "net.onnx", tmp_path / "spec.toml"
        onnx.save(model, path)
        spec.write_text(HEAD + toml)
        frames = more.pop("frames", 32)
        return import_network(
            path,
            load_config(spec, ImportSpec),
            spec,
            tmp_path / "net.emtl",
            ExportSettings(**{"elsewhere": True, **more}),
            pictures(frames),
            pictures(4),
        )

    return make


@pytest.fixture
def both(make_graph: Any) -> onnx.ModelProto:
    """A mask, and boxes that are fixed but for their scores, of one level of cells."""
    graph = make_graph()
    features = graph.stem(4)
    graph.conv(features, 12, 3, relu=False, name="mask")
    graph.output("mask", (1, 3, 16, 24))
    coarse = graph.conv(features, 12, 12, 2)
    scores = graph.add("Sigmoid", graph.conv(coarse, 12, 2, relu=False, gain=6.0))
    y, x = np.indices((8, 12)).reshape(2, -1).astype(np.float32)
    centres = np.stack([x * 8 + 4, y * 8 + 4, np.full(96, 24), np.full(96, 16)])[None]
    flat = graph.add("Reshape", scores, graph.constant(np.array([1, 2, 96])))
    graph.add("Concat", graph.constant(centres.astype(np.float32)), flat, axis=1, name="boxes")
    graph.output("boxes", (1, 6, 96))
    model: onnx.ModelProto = graph.model()
    return model


def test_an_8_bit_bundle_runs_in_both_engines(
    both: onnx.ModelProto, imported: Import, pictures: Any, tmp_path: Path
) -> None:
    """Lesson 1: every task is measured after quantisation."""
    made = imported(both, MASK + BOXES)
    made.export.bundle.save()
    manifest = Bundle.open(tmp_path / "net.emtl").manifest
    assert (manifest.spec.backbone, manifest.precision) == ("imported", "int8")
    assert {each.name: each.dtype for each in manifest.outputs} == {
        "s": "uint8",
        "detection": "float32",  # one scale cannot hold pixels and scores
    }
    assert manifest.input.dtype == "uint8"
    verdicts = made.export.report.candidates[-1].verdicts
    judged = {(each.task, each.basis, each.figure) for each in verdicts}
    assert judged == {("s", "agreement", "pixel_accuracy"), ("detection", "agreement", "f1")}
    assert made.export.after.agreement.tasks.keys() == {"s", "detection"}

    image = pictures(1)[0].image
    as_float = imported(both, MASK + BOXES, precision="fp32").export.bundle
    with Pipeline.from_bundle(as_float, "onnxruntime", threads=1) as pipeline:
        expected = pipeline(image)
    assert len(expected.detections["detection"]) > 3
    for engine in ("onnxruntime", "openvino"):
        pytest.importorskip(engine, reason=f"{engine}, of the extra cpu, is missing")
        with Pipeline.open(tmp_path / "net.emtl", engine, threads=1) as pipeline:
            scene = pipeline(image)
        assert (scene.masks["s"].labels == expected.masks["s"].labels).mean() > 0.95
        found, wanted = (each.detections["detection"] for each in (scene, expected))
        assert abs(len(found) - len(wanted)) <= 2
        np.testing.assert_allclose(found.boxes[0], wanted.boxes[0], atol=1e-3)


def test_boxes_joined_with_scores_in_8_bits_would_find_nothing(
    both: onnx.ModelProto, imported: Import, pictures: Any
) -> None:
    """Lesson 3, pure INT8 is empty: `float_nodes` keeps it out, and the gate would see it."""
    network = imported(both, MASK + BOXES).network
    assert network.float_nodes
    settings = ExportSettings(elsewhere=True)
    made = export_graph(
        network.model, network.spec, Path("x.emtl"), settings, pictures(32), pictures(4)
    )
    whole = next(each for each in made.report.candidates if each.name == "int8")
    assert {each.task for each in whole.verdicts if not each.passed} == {"detection"}


def test_engines_for_tensorrt_rtx_take_imported_networks(
    both: onnx.ModelProto, imported: Import
) -> None:
    """Lessons 7 and 9: no int32 bias, no zero point."""
    pytest.importorskip("tensorrt_rtx", reason="tensorrt_rtx, of extra tensorrt-rtx, is missing")
    made = imported(both, MASK + BOXES, target="tensorrt-rtx", engine=EngineWishes("8.6"))
    assert made.export.bundle.files.keys() == {"network.onnx", "network.sm86.engine"}


def test_a_network_that_is_quantised_already_is_taken_as_it_is(
    both: onnx.ModelProto, imported: Import
) -> None:
    quantised = onnx.ModelProto.FromString(imported(both, MASK + BOXES).export.bundle.network)
    # Its edges are 8-bit and named by the spec: a network of somebody else's quantiser has float
    # ones, which the input's own pair stands for here.
    assert any(node.op_type == "QuantizeLinear" for node in quantised.graph.node)
    graph = quantised.graph
    first = next(n for n in graph.node if "image" in n.input)
    pair = onnx.helper.make_node("QuantizeLinear", ["pixels", *first.input[1:]], ["image"], "first")
    graph.node.insert(0, pair)
    graph.input[0].name = "pixels"
    graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    last = next(n for n in graph.node if "s" in n.output)
    graph.node.append(
        onnx.helper.make_node("DequantizeLinear", ["s", *last.input[1:]], ["mask"], "last")
    )
    graph.output[0].CopyFrom(
        onnx.helper.make_tensor_value_info("mask", onnx.TensorProto.FLOAT, (1, 3, 16, 24))
    )
    toml = MASK + BOXES + '[import.outputs]\ns = "mask"\ndetection = "detection"\n'
    with pytest.raises(UsageError, match="quantised already; import it as it is with --precision"):
        imported(quantised, toml)
    made = imported(quantised, toml, precision="fp32")
    assert made.network.quantised
    assert {each.dtype for each in made.export.bundle.manifest.outputs} == {"float32"}


def test_the_same_network_gives_the_same_bundle(both: onnx.ModelProto, imported: Import) -> None:
    first, second = (imported(both, MASK + BOXES).export.bundle for _ in range(2))
    assert first.network == second.network
    assert msgspec.json.encode(first.manifest) == msgspec.json.encode(second.manifest)
