"""An export with lighter networks: they are in the bundle, measured, and built for what it is."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from rich.console import Console
from typer.testing import CliRunner

from edge_mtl.bundle import Bundle
from edge_mtl.cli import app
from edge_mtl.cli.export_tables import report_tables
from edge_mtl.data.datasets import Dataset
from edge_mtl.engine_file import EngineFile
from edge_mtl.errors import UsageError
from edge_mtl.export import engine_plan
from edge_mtl.export import rebuild as rebuilding
from edge_mtl.export.engine_plan import EngineWishes
from edge_mtl.export.exporter import Export, ExportSettings, export_graph
from edge_mtl.export.foreign.import_spec import ImportSpec
from edge_mtl.export.gate import with_tolerances
from edge_mtl.export.rebuild import rebuild
from edge_mtl.runtime.pipeline import Pipeline
from edge_mtl.scene import Scene
from edge_mtl.spec import IMPORTED, Degrade, InputSpec, ModelSpec
from edge_mtl.tasks import DetectionTask, SegmentationTask

pytest.importorskip("onnxruntime", reason="the extra cpu is not installed")

Streets = Callable[[int], Dataset]
Make = Callable[..., Export]

SPEC = ModelSpec(
    name="made",
    input=InputSpec(width=64, height=32),
    backbone=IMPORTED,
    tasks=(
        SegmentationTask(name="surface", classes=("sky", "road", "car")),
        DetectionTask(classes=("car",), strides=(8,)),
    ),
)


ENGINE_NAME = "network.sm86.engine"
ENGINE = EngineFile(
    module="tensorrt_rtx",
    version="1.7.1",
    platform="linux",
    compute_capabilities=("8.6",),
    precision="fp32",
    network_sha256="0" * 64,
)


def graph() -> onnx.ModelProto:
    """A stem of stride 4, and a convolution of random weights for every raw output."""
    rng = np.random.default_rng(0)
    nodes, weights = [], []

    def convolution(source: str, target: str, seen: int, channels: int, stride: int) -> None:
        kernel = rng.standard_normal((channels, seen, stride, stride)) / stride
        weights.append(numpy_helper.from_array(kernel.astype(np.float32), f"{target}.weight"))
        inputs, strides = [source, f"{target}.weight"], [stride, stride]
        nodes.append(helper.make_node("Conv", inputs, [target], target, strides=strides))

    convolution("image", "stem", 3, 8, 4)
    convolution("stem", "surface", 8, 3, 1)
    convolution("stem", "detection_scores_8", 8, 1, 2)
    convolution("stem", "detection_boxes_8", 8, 4, 2)

    def value(tensor: Any) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(tensor.name, TensorProto.FLOAT, tensor.shape)

    edges = [value(SPEC.input_tensor)], [value(tensor) for tensor in SPEC.output_tensors]
    return helper.make_model(
        helper.make_graph(nodes, "made", *edges, weights),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=9,
    )


@pytest.fixture
def make(streets: Streets, tmp_path: Path) -> Make:
    """An export that every precision passes."""

    def made(degrade: Degrade | None, **changes: Any) -> Export:
        lenient = ExportSettings(tolerances=with_tolerances(["100"]), elsewhere=True)
        settings = replace(lenient, degrade=degrade, **changes)
        path = tmp_path / "m.emtl"
        return export_graph(graph(), SPEC, path, settings, streets(32), streets(3))

    return made


def look(bundle: Bundle, streets: Streets) -> Scene:
    with Pipeline.from_bundle(bundle, "onnxruntime", 1) as pipeline:
        return pipeline(streets(1)[0].image)


def test_every_second_task_of_a_quantised_network(
    make: Make, streets: Streets, assert_same: Callable[[Scene, Scene], None]
) -> None:
    made = make("every_second_task")
    made.bundle.save()
    bundle = Bundle.open(made.bundle.path)
    assert bundle.spec.degrade == "every_second_task"
    assert bundle.manifest.lighter == ("lighter-0.emtl", "lighter-1.emtl")
    full = look(bundle, streets)
    for each, task in zip(bundle.lighter(), ("surface", "detection"), strict=True):
        manifest = each.manifest
        assert ([one.name for one in each.spec.tasks], each.spec.degrade) == ([task], None)
        assert manifest.precision == "int8"
        assert {edge.dtype for edge in (manifest.input, *manifest.outputs)} == {"uint8"}
        scene = look(each, streets)
        assert {*scene.masks, *scene.detections} == {task}
        assert_same(full, scene)
        # The same to the bit, and so is what was measured.
        exported = (bundle.manifest.accuracy or {})["exported"]
        assert manifest.accuracy == {"exported": {"frames": 3, task: exported[task]}}
    [_, of_full] = made.report.candidates
    measured = [row for each in made.report.lighter for row in each.verdicts]
    assert [row.after for row in measured] == [row.after for row in of_full.verdicts]
    assert bundle.manifest.report == made.report.to_json(times=False)
    assert [each["file"] for each in made.report.to_json()["lighter"]] == list(
        bundle.manifest.lighter
    )


def test_half_resolution_is_timed_beside_the_full_network_and_shown(make: Make) -> None:
    made = make("half_resolution", precision="fp32", elsewhere=False)
    [inner] = made.bundle.lighter()
    assert inner.spec.input.size == (32, 16)
    assert inner.spec.tasks == SPEC.tasks
    [told] = made.report.lighter
    assert told.size == (32, 16)
    assert told.latency_ms.keys() == told.full_ms.keys() >= {"onnxruntime"}
    shown_to = io.StringIO()
    console = Console(width=100, file=shown_to)
    for table in report_tables(made.report):
        console.print(table)
    shown = shown_to.getvalue()
    assert "lighter-0.emtl" in shown
    assert "32x16" in shown
    assert f"{told.latency_ms['onnxruntime']:.2f} of {told.full_ms['onnxruntime']:.2f}" in shown
    [miou] = [row for row in told.verdicts if row.figure == "miou"]
    assert f"{miou.lost:+.2f}" in shown
    assert miou.after != miou.before
    made.bundle.save()
    inspected = CliRunner().invoke(app, ["inspect", str(made.bundle.path), "--json", "-"])
    assert "past a deadline lighter-0.emtl: input 32x16, surface, detection" in inspected.stderr
    assert f"accuracy on streets: surface miou {miou.after:.3f}, detection" in inspected.stderr
    assert json.loads(inspected.stdout)["manifest"]["lighter"] == ["lighter-0.emtl"]


def test_the_spec_says_how_where_the_command_does_not(make: Make, streets: Streets) -> None:
    assert make(None).bundle.manifest.lighter == ()
    spec = msgspec.structs.replace(SPEC, degrade="half_resolution")
    settings = ExportSettings(precision="fp32", elsewhere=True)
    made = export_graph(graph(), spec, Path("a.emtl"), settings, streets(0), streets(1))
    assert made.bundle.manifest.lighter == ("lighter-0.emtl",)
    assert made.report.lighter[0].latency_ms == {}


def test_triton_does_not_degrade(make: Make) -> None:
    with pytest.raises(UsageError, match="leave --degrade out"):
        make("half_resolution", target="triton")


def test_the_spec_of_an_import_says_how() -> None:
    said = ImportSpec(name="a", input=SPEC.input, tasks=SPEC.tasks, degrade="every_second_task")
    assert said.model_spec("spec.toml").degrade == "every_second_task"


def test_every_network_of_a_bundle_gets_an_engine_and_gets_it_anew(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[bytes] = []

    def build(network: bytes, request: Any, progress: Any) -> tuple[bytes, EngineFile]:
        built.append(network)
        return b"engine of " + network[:9], ENGINE

    monkeypatch.setattr(engine_plan, "build_engine", build)
    monkeypatch.setattr(engine_plan, "check_builder", lambda _: None)
    monkeypatch.setattr(rebuilding, "gpus", list)
    settings = {"target": "tensorrt-rtx", "precision": "fp32", "engine": EngineWishes("8.6")}
    bundle = make("every_second_task", **settings).bundle
    networks = [bundle, *bundle.lighter()]
    assert sorted(built) == sorted(each.network for each in networks)
    for each in networks:
        assert each.manifest.engines == {ENGINE_NAME: ENGINE}
    again = rebuild(bundle, bundle.path, EngineWishes("8.6"), lambda *_: None)
    assert len(built) == 6
    again.save()
    found = Bundle.open(again.path)
    assert [each.network for each in (found, *found.lighter())] == [e.network for e in networks]
    assert [each.manifest.engines for each in found.lighter()] == [{ENGINE_NAME: ENGINE}] * 2
