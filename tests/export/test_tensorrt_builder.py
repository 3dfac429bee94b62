"""TensorRT-RTX builds without a GPU; running an engine needs one."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from edge_mtl.errors import UsageError
from edge_mtl.export.batch import Batch
from edge_mtl.export.build_progress import STEPS, Phases
from edge_mtl.export.edges import strip_edges
from edge_mtl.export.tensorrt_builder import (
    BuildError,
    BuildOptions,
    EngineRequest,
    build_engine,
    check_builder,
)

CAPABILITIES = ("8.6", "8.9", "12.0")
RTX = EngineRequest("tensorrt_rtx", CAPABILITIES)
only_edgenet = pytest.mark.parametrize("backbone", ["edgenet-n"])
Quantized = Callable[[str], onnx.ModelProto]


def rtx(**changes: object) -> EngineRequest:
    return EngineRequest("tensorrt_rtx", CAPABILITIES, **changes)  # type: ignore[arg-type]


@pytest.fixture
def tensorrt_rtx() -> None:
    pytest.importorskip("tensorrt_rtx", reason="tensorrt_rtx, of extra tensorrt-rtx, is missing")


@pytest.fixture
def stripped(quantized: Quantized) -> bytes:
    model = quantized("tensorrt-rtx")
    strip_edges(model)
    return model.SerializeToString()


@pytest.mark.usefixtures("tensorrt_rtx")
def test_lesson_engines_are_built_for_gpus_that_are_not_here(stripped: bytes) -> None:
    """hub#1028: an export of an engine fails for want of a GPU."""
    steps: list[tuple[int, int]] = []
    engine, entry = build_engine(stripped, RTX, lambda *step: steps.append(step))
    assert len(engine) > 10_000
    assert (entry.module, entry.precision) == ("tensorrt_rtx", "int8+fp16")
    assert entry.compute_capabilities == CAPABILITIES
    assert entry.mismatch("tensorrt_rtx", entry.version, (8, 9), entry.platform) is None
    assert entry.mismatch("tensorrt_rtx", entry.version, (9, 0), entry.platform)
    assert steps == sorted(steps)
    assert {total for _, total in steps} == {STEPS}
    assert steps[-1][0] > STEPS / 2


@only_edgenet
@pytest.mark.usefixtures("tensorrt_rtx")
def test_batches_and_precisions(stripped: bytes, graph: onnx.ModelProto) -> None:
    _, entry = build_engine(stripped, rtx(batch=Batch(1, 2, 4)))
    assert entry.batch == (1, 2, 4)
    _, entry = build_engine(stripped, rtx(batch=Batch(4, 4, 4)))
    assert entry.batch == (4, 4, 4)
    half, entry = build_engine(graph.SerializeToString(), RTX)
    assert entry.precision == "fp16"
    single, entry = build_engine(graph.SerializeToString(), rtx(half=False))
    assert entry.precision == "fp32"
    assert len(half) < len(single)


@only_edgenet
@pytest.mark.usefixtures("tensorrt_rtx")
@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (BuildOptions(refit=True), "this needs a GPU and its driver: build it on the device"),
        (BuildOptions(version_compatible=True), "version-compatible engines need TensorRT's lean"),
        (
            BuildOptions(hardware="ampere_plus"),
            "has no hardware compatibility; name the compute cap",
        ),
        (BuildOptions(dla_core=0), "expected DLA core 0, found 0 cores here"),
    ],
)
def test_what_cannot_be_had_here_is_said_in_a_line(
    stripped: bytes, options: BuildOptions, reason: str
) -> None:
    with pytest.raises(BuildError) as refused:
        build_engine(stripped, rtx(options=options))
    assert reason in str(refused.value)
    assert "\n" not in str(refused.value)
    build_engine(stripped, rtx(options=BuildOptions(workspace_mb=64)))  # and what failed is over


@only_edgenet
@pytest.mark.usefixtures("tensorrt_rtx")
def test_a_builder_without_timings_leaves_no_cache(stripped: bytes, tmp_path: Path) -> None:
    build_engine(stripped, rtx(timing_cache=tmp_path / "t"))
    assert not (tmp_path / "t").exists()


@only_edgenet
@pytest.mark.usefixtures("tensorrt_rtx")
def test_ctrl_c_stops_a_build(stripped: bytes) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_engine(stripped, RTX, interrupt)


@only_edgenet
@pytest.mark.usefixtures("tensorrt_rtx")
def test_the_scheme_for_cpus_does_not_build(quantized: Quantized) -> None:
    """Which is why TensorRT has one of its own: its parser refuses int32 biases."""
    with pytest.raises(BuildError, match=r"node .*bias.* \(DequantizeLinear\) .* int32 bias"):
        build_engine(quantized("cpu").SerializeToString(), RTX)


@pytest.mark.usefixtures("tensorrt_rtx")
def test_a_refused_graph_is_told_by_its_node() -> None:
    """By the parser, where our own check knows nothing against it."""
    edges = [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 3, 16, 16))]
    edges += [helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, 3, 16, 16))]
    nodes = [
        helper.make_node("Relu", ["x"], ["a"], name="fine"),
        helper.make_node("Cast", ["a"], ["b"], name="odd", to=TensorProto.UINT16),
        helper.make_node("Cast", ["b"], ["y"], name="back", to=TensorProto.FLOAT),
    ]
    graph = helper.make_graph(nodes, "g", edges[:1], edges[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    with pytest.raises(BuildError, match=r"cannot take the graph: node odd \(Cast\)"):
        build_engine(model.SerializeToString(), rtx(half=False))


def test_what_is_no_network() -> None:
    pytest.importorskip("tensorrt_rtx")
    for network in (b"no network", b""):
        with pytest.raises(BuildError, match="cannot take the graph: expected"):
            build_engine(network, RTX)


@pytest.mark.usefixtures("tensorrt_rtx")
@pytest.mark.parametrize("capability", ["1.0", "86", "sm_86", ""])
def test_compute_capabilities_that_it_does_not_know(capability: str) -> None:
    request = EngineRequest("tensorrt_rtx", (capability,))
    with pytest.raises(UsageError, match=r"compute capability '.*'; it knows 7\.5, 8\.0, 8\.6"):
        check_builder(request)
    with pytest.raises(UsageError, match="compute capability"):
        build_engine(b"", request)


@pytest.mark.parametrize(
    ("module", "extra"), [("tensorrt_rtx", "tensorrt-rtx"), ("tensorrt", "gpu")]
)
def test_a_missing_module_is_named_with_its_extra(
    monkeypatch: pytest.MonkeyPatch, module: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(BuildError, match=rf"needs {module}; pip install 'edge-mtl\[{extra}\]'"):
        check_builder(EngineRequest(module))  # type: ignore[arg-type]


def test_phases_within_phases_are_shares_of_their_parent() -> None:
    phases = Phases()
    phases.start("build", None, 4)
    phases.step("build", 0)
    assert phases.fraction() == 0.25
    phases.start("optimise", "build", 2)
    phases.step("optimise", 0)
    assert phases.fraction() == 0.375
    phases.finish("optimise")
    assert phases.fraction() == 0.375  # never back
    phases.step("build", 1)
    assert phases.fraction() == 0.5
