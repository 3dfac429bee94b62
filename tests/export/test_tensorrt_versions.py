"""The one path through the builder, against doubles of the modules that are not installed here.

A double has what a version of `tensorrt` offers where versions differ, and records what is asked of
it: what is asked is what the test compares. What all have in common is tested with `tensorrt_rtx`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import onnx
import pytest

from edge_mtl.export import tensorrt_builder
from edge_mtl.export.batch import Batch
from edge_mtl.export.edges import strip_edges
from edge_mtl.export.tensorrt_builder import (
    BuildError,
    BuildOptions,
    EngineRequest,
    build_engine,
)

pytestmark = pytest.mark.parametrize("backbone", ["edgenet-n"])
Quantized = Callable[[str], onnx.ModelProto]

# Versions differ in these, by their documentation: 8.6 has weak typing alone, 10 both kinds, 11
# strong typing alone, with and without a flag for it (11.0's pages do not agree).
FLAGS = {
    "8.6.1": (["EXPLICIT_BATCH"], ["FP16", "INT8"]),
    "10.3.0": (["EXPLICIT_BATCH", "STRONGLY_TYPED"], ["FP16", "INT8"]),
    "11.0.0": (["STRONGLY_TYPED"], []),
    "11.4.1": ([], []),
}
ALWAYS = ["GPU_FALLBACK", "REFIT", "VERSION_COMPATIBLE"]


class Recorded:
    """What a builder was asked for."""

    def __init__(self) -> None:
        self.creation: list[str] = []
        self.flags: list[str] = []
        self.network = onnx.ModelProto()
        self.profiles: list[tuple[Any, ...]] = []
        self.config = SimpleNamespace()
        self.cache = b""
        self.fails: str | None = None
        self.cores = 2


def make_double(version: str, recorded: Recorded) -> ModuleType:
    creation, flags = FLAGS[version]
    trt: Any = ModuleType("tensorrt")
    trt.__version__ = version
    trt.NetworkDefinitionCreationFlag = IntEnum("Creation", creation, start=0)
    trt.BuilderFlag = IntEnum("Flag", [*flags, *ALWAYS], start=0)
    trt.DeviceType = IntEnum("Device", ["GPU", "DLA"], start=0)
    trt.MemoryPoolType = IntEnum("Pool", ["WORKSPACE"], start=0)
    trt.HardwareCompatibilityLevel = IntEnum("Level", ["NONE", "AMPERE_PLUS"], start=0)

    class ILogger:
        ERROR, INTERNAL_ERROR, WARNING = range(3)

        def log(self, severity: int, message: str) -> None:
            raise AssertionError("a logger overrides this")

    class Config:
        def __init__(self) -> None:
            recorded.config = self  # type: ignore[assignment]
            self._cache = b""

        def set_flag(self, flag: IntEnum) -> None:
            recorded.flags.append(flag.name)

        def set_memory_pool_limit(self, pool: IntEnum, limit: int) -> None:
            self.limit = (pool.name, limit)

        def add_optimization_profile(self, profile: Any) -> None:
            recorded.profiles.append(profile.shapes)

        def create_timing_cache(self, held: bytes) -> bytes:
            return held

        def set_timing_cache(self, cache: bytes, ignore_mismatch: bool) -> bool:
            assert not ignore_mismatch
            self._cache = cache
            return not cache.startswith(b"another GPU")

        def get_timing_cache(self) -> Any:
            return SimpleNamespace(serialize=lambda: self._cache + b" timed")

    class Profile:
        def __init__(self) -> None:
            self.shapes: tuple[Any, ...] = ()

        def set_shape(self, *shapes: Any) -> None:
            self.shapes += (shapes,)

    class Builder:
        num_DLA_cores = recorded.cores  # noqa: N815

        def __init__(self, logger: Any) -> None:
            self._logger = logger

        def create_network(self, flags: int) -> Any:
            kinds = trt.NetworkDefinitionCreationFlag
            recorded.creation = [each.name for each in kinds if flags & 1 << each.value]
            return SimpleNamespace(
                num_inputs=1, get_input=lambda i: SimpleNamespace(name="image", shape=(-1, 3, 8, 9))
            )

        def create_builder_config(self) -> Config:
            return Config()

        def create_optimization_profile(self) -> Profile:
            return Profile()

        def build_serialized_network(self, network: Any, config: Config) -> bytes | None:
            if recorded.fails is None:
                return b"engine"
            self._logger.log(ILogger.ERROR, recorded.fails)
            self._logger.log(ILogger.ERROR, "IBuilder: Error Code 2: Internal Error (no plan)")
            return None

    class OnnxParser:
        num_errors = 0

        def __init__(self, network: Any, logger: Any) -> None:
            pass

        def parse(self, network: bytes) -> bool:
            recorded.network = onnx.load_from_string(network)
            return True

    trt.ILogger, trt.Builder, trt.OnnxParser = ILogger, Builder, OnnxParser
    return trt  # type: ignore[no-any-return]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Recorded]:
    def install(version: str, cores: int = 2) -> Recorded:
        recorded = Recorded()
        recorded.cores = cores
        monkeypatch.setitem(sys.modules, "tensorrt", make_double(version, recorded))
        monkeypatch.setattr(
            tensorrt_builder, "gpus", lambda: [SimpleNamespace(compute_capability=(8, 7))]
        )
        return recorded

    return install


@pytest.fixture
def network(quantized: Quantized) -> bytes:
    model = quantized("tensorrt")
    strip_edges(model)
    return model.SerializeToString()


def request(**changes: Any) -> EngineRequest:
    return EngineRequest("tensorrt", **changes)


def has_half(model: onnx.ModelProto) -> bool:
    return any(each.data_type == onnx.TensorProto.FLOAT16 for each in model.graph.initializer)


def test_weak_typing_gets_flags_and_a_float_graph(
    install: Callable[..., Recorded], network: bytes, graph: onnx.ModelProto
) -> None:
    recorded = install("8.6.1")
    engine, entry = build_engine(network, request())
    assert engine == b"engine"
    assert recorded.creation == ["EXPLICIT_BATCH"]
    assert recorded.flags == ["FP16", "INT8"]
    assert recorded.network == onnx.load_from_string(network)
    assert (entry.version, entry.precision) == ("8.6.1", "int8+fp16")
    assert entry.compute_capabilities == ("8.7",)

    for half, flags in ((True, ["FP16"]), (False, [])):
        recorded = install("8.6.1")
        build_engine(graph.SerializeToString(), request(half=half))
        assert recorded.flags == flags


@pytest.mark.parametrize(
    ("version", "creation"),
    [("10.3.0", ["STRONGLY_TYPED"]), ("11.0.0", ["STRONGLY_TYPED"]), ("11.4.1", [])],
)
def test_lesson_strong_typing_gets_fp16_in_the_graph_and_no_flags(
    install: Callable[..., Recorded], network: bytes, version: str, creation: list[str]
) -> None:
    """TensorRT#4021: what INT8 needs is not the same from version to version."""
    recorded = install(version)
    build_engine(network, request())
    assert recorded.creation == creation
    assert recorded.flags == []
    assert has_half(recorded.network)
    build_engine(network, request(half=False))
    assert recorded.network == onnx.load_from_string(network)


@pytest.mark.parametrize("version", FLAGS)
def test_options_are_asked_for_alike(
    install: Callable[..., Recorded], network: bytes, version: str
) -> None:
    recorded = install(version)
    options = BuildOptions(
        workspace_mb=512, dla_core=1, version_compatible=True, hardware="ampere_plus", refit=True
    )
    _, entry = build_engine(network, request(options=options, batch=Batch(1, 2, 4)))
    config: Any = recorded.config
    assert config.limit == ("WORKSPACE", 512 << 20)
    assert (config.default_device_type.name, config.DLA_core) == ("DLA", 1)
    assert set(ALWAYS) <= set(recorded.flags)
    assert config.hardware_compatibility_level.name == "AMPERE_PLUS"
    assert recorded.profiles == [(("image", (1, 3, 8, 9), (2, 3, 8, 9), (4, 3, 8, 9)),)]
    assert recorded.network.graph.input[0].type.tensor_type.shape.dim[0].dim_param
    assert (entry.dla, entry.version_compatible, entry.hardware) == (1, True, "ampere_plus")


def test_a_board_without_the_accelerator(install: Callable[..., Recorded], network: bytes) -> None:
    install("10.3.0", cores=0)
    with pytest.raises(BuildError, match="expected DLA core 0, found 0 cores here"):
        build_engine(network, request(options=BuildOptions(dla_core=0)))


def test_timings_are_kept_and_those_of_another_gpu_are_not_used(
    install: Callable[..., Recorded], network: bytes, tmp_path: Path
) -> None:
    install("10.3.0")
    path = tmp_path / "driving-s.timing-cache"
    for held, after in ((None, b" timed"), (b"mine", b"mine timed"), (b"another GPU", b" timed")):
        if held is not None:
            path.write_bytes(held)
        build_engine(network, request(timing_cache=path))
        assert path.read_bytes() == after


def test_a_failed_build_tells_its_first_error_with_the_node(
    install: Callable[..., Recorded], network: bytes
) -> None:
    recorded = install("10.3.0")
    recorded.fails = (
        "IBuilder::buildSerializedNetwork: Error Code 10: Internal Error (Could not find any "
        "implementation for node conv1 + relu1.\n In computeCosts at /_src/optimizer.cpp:4048)"
    )
    with pytest.raises(BuildError) as refused:
        build_engine(network, request())
    assert str(refused.value) == (
        "tensorrt cannot build the engine: Internal Error (Could not find any implementation for "
        "node conv1 + relu1)"
    )
