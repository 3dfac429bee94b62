from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from edge_mtl.bundle import Bundle, Calibration
from edge_mtl.data.datasets import Dataset
from edge_mtl.errors import UsageError
from edge_mtl.export import exporter
from edge_mtl.export.deployment import bundle_of
from edge_mtl.export.edges import strip_edges
from edge_mtl.export.engine_plan import EngineWishes
from edge_mtl.export.exporter import ExportSettings, export
from edge_mtl.export.gate import with_tolerances
from edge_mtl.export.precision import Precision
from edge_mtl.network.engine import TorchEngine
from edge_mtl.network.network import Network
from edge_mtl.runtime.pipeline import Pipeline

Streets = Callable[[int], Dataset]
# A network of random weights loses more than any gate would pass.
LENIENT = ExportSettings(tolerances=with_tolerances(["100"]), elsewhere=True)
only_edgenet = pytest.mark.parametrize("backbone", ["edgenet-n"])


@only_edgenet
def test_from_a_network_to_a_bundle_that_runs(
    network: Network,
    quantized: Callable[[str], onnx.ModelProto],
    streets: Streets,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = tmp_path / "tiny.emtl"
    stages: dict[str, tuple[int, int]] = {}

    def report(stage: str, done: int, total: int) -> None:
        stages[stage] = (done, total)

    made = export(network, path, LENIENT, streets(32), streets(4), report)
    assert stages == {
        "ONNX": (1, 1),
        "measure float": (4, 4),
        "calibrate": (32, 32),
        "measure int8": (4, 4),
    }
    assert "4 frames of streets judge the accuracy and have set the ranges" in caplog.text
    made.bundle.save()
    manifest = Bundle.open(path).manifest
    assert (manifest.target, manifest.precision, manifest.spec) == ("cpu", "int8", network.spec)
    assert manifest.calibration == Calibration(data="streets", frames=32, method="min-max")
    assert manifest.accuracy == {
        "float": made.before.labels.to_json(),
        "exported": made.after.labels.to_json(),
    }
    assert manifest.report == made.report.to_json(times=False)
    assert made.report.kept == "int8"
    assert manifest.accuracy_data == "streets"
    assert {each.dtype for each in (manifest.input, *manifest.outputs)} == {"uint8"}

    # Exported anew from the same weights and frames, the graph is the same to the byte.
    again = quantized("cpu")
    strip_edges(again)
    assert made.bundle.network == again.SerializeToString()

    image = streets(1)[0].image
    expected = Pipeline(network.spec, TorchEngine(network, network.spec))(image).masks["surface"]
    for engine in ("onnxruntime", "openvino"):
        pytest.importorskip(engine, reason=f"{engine}, of the extra cpu, is missing")
        with Pipeline.open(path, engine, threads=1) as pipeline:
            found = pipeline(image).masks["surface"]
        assert (found.labels == expected.labels).mean() > 0.85, engine


@only_edgenet
def test_both_engines_give_nearly_the_same_8_bit_outputs(
    network: Network, quantized: Callable[[str], onnx.ModelProto], streets: Streets
) -> None:
    model = quantized("cpu")
    strip_edges(model)
    bundle = bundle_of(Path("tiny.emtl"), network.spec, "cpu", "int8", model)
    raw = {}
    for engine in ("onnxruntime", "openvino"):
        pytest.importorskip(engine, reason=f"{engine}, of the extra cpu, is missing")
        with Pipeline.from_bundle(bundle, engine, threads=1) as pipeline:
            pipeline(streets(1)[0].image)
            raw[engine] = {name: each.copy() for name, each in pipeline.engine.outputs.items()}
    # They round differently within a layer, which 36 random layers hand on and widen.
    apart = {
        name: (value.astype(float) - raw["openvino"][name]) / value.std()
        for name, value in raw["onnxruntime"].items()
    }
    every = np.concatenate([each.ravel() for each in apart.values()])
    assert np.sqrt(np.mean(every**2)) < 0.15
    for name, each in apart.items():  # the smallest has 8 cells; of unlike outputs it is 1.4
        assert np.sqrt(np.mean(each**2)) < 0.35, name


@pytest.fixture
def ready(graph: onnx.ModelProto, monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare the conversion to ONNX, which the tests above do."""
    monkeypatch.setattr(exporter, "onnx_from_network", lambda _: graph)


@only_edgenet
@pytest.mark.usefixtures("ready")
def test_a_float_bundle_has_float_edges_and_one_accuracy(
    network: Network, streets: Streets
) -> None:
    settings = ExportSettings(precision="fp32")
    made = export(network, Path("a.emtl"), settings, streets(0), streets(2))
    manifest = made.bundle.manifest
    assert made.after is made.before
    assert manifest.calibration is None
    assert (manifest.input, manifest.outputs) == (
        network.spec.input_tensor,
        network.spec.output_tensors,
    )
    assert made.before.labels.frames == 2
    assert made.before.labels.tasks.keys() == {"surface", "detection"}


@only_edgenet
@pytest.mark.usefixtures("ready")
def test_an_engine_for_a_gpu_is_built_into_the_bundle(network: Network, streets: Streets) -> None:
    pytest.importorskip("tensorrt_rtx", reason="tensorrt_rtx, of extra tensorrt-rtx, is missing")
    path = Path("a.emtl")
    settings = replace(LENIENT, target="tensorrt-rtx", engine=EngineWishes("8.6"))
    made = export(network, path, settings, streets(32), streets(2))
    assert made.bundle.files.keys() == {"network.onnx", "network.sm86.engine"}
    assert {each.dtype for each in made.bundle.manifest.outputs} == {"float32"}


@only_edgenet
@pytest.mark.parametrize(
    ("target", "precision", "frames", "capability", "message"),
    [
        ("cpuu", "int8", 32, None, "unknown target 'cpuu'; did you mean 'cpu'"),
        ("cpu", "int8", 8, None, "calibration needs at least 32 frames"),
        ("cpu", "fp32", 0, "8.6", "builds no engine, so it takes no compute capability"),
    ],
)
def test_what_cannot_work_is_refused_before_any_work(
    network: Network,
    streets: Streets,
    monkeypatch: pytest.MonkeyPatch,
    target: str,
    precision: Precision,
    frames: int,
    capability: str | None,
    message: str,
) -> None:
    monkeypatch.delattr(exporter, "onnx_from_network")
    settings = ExportSettings(target, precision, engine=EngineWishes(capability))
    with pytest.raises(UsageError, match=message):
        export(network, Path("a.emtl"), settings, streets(frames), streets(1))
