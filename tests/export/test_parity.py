from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from edge_mtl.bundle import NETWORK, Bundle
from edge_mtl.data.datasets import Dataset
from edge_mtl.errors import UsageError
from edge_mtl.export.exporter import ExportSettings, export
from edge_mtl.export.gate import with_tolerances
from edge_mtl.export.parity import ParityError, Stage, compare, stages_of
from edge_mtl.network.engine import TorchEngine
from edge_mtl.network.network import Network
from edge_mtl.runtime.engines import Engine
from edge_mtl.spec import InputSpec

Streets = Callable[[int], Dataset]
pytestmark = pytest.mark.parametrize("backbone", ["edgenet-n"])


@pytest.fixture
def bundle(network: Network, streets: Streets, tmp_path: Path) -> Bundle:
    # As it is, however much it loses and however long it takes.
    settings = ExportSettings(tolerances=with_tolerances(["100"]), elsewhere=True)
    path = tmp_path / "tiny.emtl"
    return export(network, path, settings, streets(32), streets(2)).bundle


class Changed:
    """An engine whose outputs go through a function."""

    def __init__(self, engine: Engine, change: Callable[[np.ndarray], np.ndarray]) -> None:
        self._engine, self._change = engine, change
        self.name, self.image, self.planes = "changed", engine.image, engine.planes
        self.input_tensor, self.plane_tensors = engine.input_tensor, engine.plane_tensors
        self.output_tensors = engine.output_tensors
        self.outputs = {name: np.zeros_like(each) for name, each in engine.outputs.items()}

    def infer(self, frames: int = 1) -> None:
        self._engine.infer()
        for name, buffer in self.outputs.items():
            buffer[:] = self._change(self._engine.outputs[name])

    def close(self) -> None:
        self._engine.close()


def test_every_stage_of_an_export_that_is_right(
    network: Network, bundle: Bundle, streets: Streets
) -> None:
    pytest.importorskip("openvino", reason="openvino, of the extra cpu, is missing")
    with stages_of(network, bundle, "openvino") as stages:
        parity = compare(network.spec, stages, streets(3))
    assert [stage.name for stage in parity.stages] == ["ONNX", "int8 ONNX", "in openvino"]
    graph, quantised, engine = parity.stages
    tensors = ["image", *(tensor.name for tensor in network.spec.output_tensors)]
    assert list(graph.tensors) == tensors
    assert graph.tensors["image"].in_all == 0
    assert max(each.in_all for each in graph.tensors.values()) < 1e-4
    # 8-bit pixels are half a step off at most: of a uniform error the root mean square.
    step = bundle.manifest.input.scale
    assert 0 < quantised.tensors["image"].in_all < step
    for name in tensors:
        assert graph.tensors[name].in_all == graph.tensors[name].added
        errors = graph.tensors[name], quantised.tensors[name]
        assert errors[1].in_all == pytest.approx(errors[1].added, abs=2 * errors[0].in_all)
    assert engine.tensors["image"].added == 0
    # It rounds otherwise, and is as far from the truth for all that.
    assert engine.tensors["surface"].added > 0.01
    assert abs(engine.tensors["surface"].grown) < 0.05
    assert all(stage.passed for stage in parity.stages)
    parity.check()
    assert [(each.task, each.after) for each in graph.verdicts] == [("surface", 1)]
    assert 0.5 < quantised.verdicts[0].after < 1


def test_lesson_a_right_graph_in_a_wrong_engine_names_the_engine(
    network: Network, bundle: Bundle, streets: Streets
) -> None:
    """ultralytics#22873: right in ONNX, wrong in the engine on the board."""
    with stages_of(network, bundle, "onnxruntime") as stages:
        wrong = Changed(stages[-1].engine, lambda raw: raw[:, :, ::-1])  # upside down
        parity = compare(
            network.spec, [*stages, Stage("in a new engine", wrong, "engine")], streets(2)
        )
    assert [stage.passed for stage in parity.stages] == [True, True, False]
    assert parity.wrong is parity.stages[2]
    with pytest.raises(ParityError, match=r"stage 'in a new engine' goes wrong: expected at most"):
        parity.check()


def test_a_network_that_quantising_destroyed_is_told_from_its_engine(
    network: Network, bundle: Bundle, streets: Streets
) -> None:
    model = onnx.load_from_string(bundle.network)
    reader = next(node for node in model.graph.node if node.op_type == "QuantizeLinear")
    scale = next(each for each in model.graph.initializer if each.name == reader.input[1])
    scale.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(scale) / 16, scale.name))
    facts = {
        field: getattr(bundle.manifest, field)
        for field in ("spec", "target", "precision", "input", "outputs")
    }
    broken = Bundle.create(bundle.path, {NETWORK: model.SerializeToString()}, **facts)
    with stages_of(network, broken, "onnxruntime") as stages:
        parity = compare(network.spec, stages, streets(2))
    assert parity.wrong is not None
    assert parity.wrong.name == "int8 ONNX"
    with pytest.raises(ParityError, match="calibrate with more frames"):
        parity.check()


def test_what_is_no_number_is_wrong(network: Network, bundle: Bundle, streets: Streets) -> None:
    truth = TorchEngine(network, network.spec)
    nans = Changed(TorchEngine(network, network.spec), lambda raw: raw * np.nan)
    stages = [Stage("torch", truth, "truth"), Stage("ONNX", nans, "graph")]
    parity = compare(network.spec, stages, streets(2))
    assert parity.wrong is parity.stages[0]
    plain = json.loads(json.dumps(parity.to_json(), allow_nan=False))
    assert plain["stages"][0]["tensors"]["surface"] == {"in_all": None, "added": None}
    assert plain["stages"][0]["passed"] is False


def test_a_bundle_of_another_network_is_refused(network: Network, bundle: Bundle) -> None:
    spec = msgspec.structs.replace(network.spec, input=InputSpec(width=128, height=64))
    other = msgspec.structs.replace(bundle.manifest, spec=spec)
    with (
        pytest.raises(UsageError, match=r"expected the network that .*tiny\.emtl was made of"),
        stages_of(network, Bundle(bundle.path, other, bundle.files)),
    ):
        pass
