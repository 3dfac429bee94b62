"""TensorRT-RTX builds without a GPU; running an engine needs one."""

from __future__ import annotations

import sys
from collections.abc import Callable

import onnx
import pytest
from onnx import TensorProto, helper

from edge_mtl.errors import UsageError
from edge_mtl.export.tensorrt_builder import BuildError, build_engine, check_builder

CAPABILITY = "8.6"


@pytest.fixture
def tensorrt_rtx() -> None:
    pytest.importorskip("tensorrt_rtx", reason="tensorrt_rtx, of extra tensorrt-rtx, is missing")


@pytest.mark.usefixtures("tensorrt_rtx")
def test_the_quantised_network_builds(quantized: Callable[[str], onnx.ModelProto]) -> None:
    engine = build_engine(quantized("tensorrt").SerializeToString(), "tensorrt_rtx", CAPABILITY)
    assert len(engine) > 10_000


@pytest.mark.usefixtures("tensorrt_rtx")
def test_the_scheme_for_cpus_does_not(quantized: Callable[[str], onnx.ModelProto]) -> None:
    """Which is why TensorRT has one of its own: its parser refuses int32 biases."""
    with pytest.raises(BuildError, match=r"node .*bias.* \(DequantizeLinear\): .*Int32"):
        build_engine(quantized("cpu").SerializeToString(), "tensorrt_rtx", CAPABILITY)


@pytest.mark.usefixtures("tensorrt_rtx")
def test_a_refused_graph_is_told_by_its_node() -> None:
    edges = [helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 3)) for name in "xz"]
    nodes = [
        helper.make_node("Relu", ["x"], ["y"], name="fine"),
        helper.make_node("StringNormalizer", ["y"], ["z"], name="odd"),
    ]
    graph = helper.make_graph(nodes, "g", edges[:1], edges[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    with pytest.raises(BuildError, match=r"cannot take the graph: node odd \(StringNormalizer\)"):
        build_engine(model.SerializeToString(), "tensorrt_rtx", CAPABILITY)
    with pytest.raises(BuildError, match="cannot take the graph"):
        build_engine(b"no network", "tensorrt_rtx", CAPABILITY)


@pytest.mark.usefixtures("tensorrt_rtx")
@pytest.mark.parametrize("capability", ["1.0", "86", "sm_86", ""])
def test_compute_capabilities_that_it_does_not_know(capability: str) -> None:
    with pytest.raises(UsageError, match=r"compute capability '.*'; it knows 7\.5, 8\.0, 8\.6"):
        check_builder("tensorrt_rtx", capability)
    with pytest.raises(UsageError, match="compute capability"):
        build_engine(b"", "tensorrt_rtx", capability)


@pytest.mark.parametrize(
    ("module", "extra"), [("tensorrt_rtx", "tensorrt-rtx"), ("tensorrt", "gpu")]
)
def test_a_missing_module_is_named_with_its_extra(
    monkeypatch: pytest.MonkeyPatch, module: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(BuildError, match=rf"needs {module}; pip install 'edge-mtl\[{extra}\]'"):
        check_builder(module, None)
