from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from edge_mtl.errors import UsageError
from edge_mtl.export import engine_plan
from edge_mtl.export.batch import Batch
from edge_mtl.export.devices import find_device
from edge_mtl.export.engine_plan import EngineWishes, plan_engine
from edge_mtl.export.tensorrt_builder import BuildOptions, EngineRequest

PATH = Path("out/driving-s.emtl")


def plan(target: str, precision: str, **wishes: Any) -> EngineRequest | None:
    return plan_engine(PATH, target, precision, EngineWishes(**wishes))


@pytest.fixture
def rtx() -> None:
    pytest.importorskip("tensorrt_rtx", reason="tensorrt_rtx, of extra tensorrt-rtx, is missing")


def test_targets_without_an_engine_take_nothing_for_one() -> None:
    assert plan("cpu", "int8") is None
    assert plan("openvino", "int8", device=find_device("cpu-openvino")) is None
    for name, asked in (
        ("compute capability", {"compute_capability": "8.6"}),
        ("batch", {"batch": Batch(1, 2, 4)}),
        ("build option", {"options": BuildOptions(refit=True)}),
    ):
        with pytest.raises(UsageError, match=f"'cpu' builds no engine, so it takes no {name}"):
            plan("cpu", "int8", **asked)


@pytest.mark.usefixtures("rtx")
def test_a_device_says_what_is_not_asked_for() -> None:
    request = plan("tensorrt-rtx", "int8", device=find_device("rtx-4090"))
    assert request is not None
    assert request.compute_capabilities == ("8.9",)
    assert request.options.workspace_mb == 3072
    assert request.half
    assert request.timing_cache == Path("out/driving-s.timing-cache")
    request = plan(
        "tensorrt-rtx",
        "fp32",
        compute_capability="8.6, 12.0",
        device=find_device("rtx-4090"),
        batch=Batch(1, 2, 4),
        options=BuildOptions(workspace_mb=64),
    )
    assert request is not None
    assert request.compute_capabilities == ("8.6", "12.0")
    assert (request.batch, request.options.workspace_mb) == (Batch(1, 2, 4), 64)
    assert not request.half


@pytest.mark.usefixtures("rtx")
def test_what_the_device_or_the_builder_has_not() -> None:
    with pytest.raises(UsageError, match=r"'9\.0'; it knows 7\.5, 8\.0"):
        plan("tensorrt-rtx", "int8", device=find_device("h200"))
    options = BuildOptions(dla_core=0)
    with pytest.raises(UsageError, match="no deep-learning accelerator; leave dla_core out"):
        plan("tensorrt-rtx", "int8", device=find_device("rtx-4090"), options=options)


@pytest.mark.parametrize(
    ("version", "gpu", "built"),
    [
        ("10.3.0.26", (8, 7), True),
        ("10.13.3", (8, 7), False),  # not what JetPack 6 has
        ("10.3.0.26", (8, 9), False),
        ("10.3.0.26", None, False),
        (None, None, False),
    ],
)
def test_tensorrt_builds_on_the_device_and_nowhere_else(
    monkeypatch: pytest.MonkeyPatch,
    version: str | None,
    gpu: tuple[int, int] | None,
    built: bool,
) -> None:
    """A bundle that is made elsewhere carries the network, and the device builds."""
    module: Any = ModuleType("tensorrt")
    module.__version__ = version
    monkeypatch.setitem(sys.modules, "tensorrt", module if version else None)
    found = [SimpleNamespace(compute_capability=gpu)] if gpu else []
    monkeypatch.setattr(engine_plan, "gpus", lambda: found)
    request = plan("tensorrt", "int8", device=find_device("jetson-orin-nano"))
    assert (request is not None) == built
    if request is not None:
        assert request.compute_capabilities == ()
