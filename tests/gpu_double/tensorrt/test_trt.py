"""`TensorRtEngine`, where ONNX Runtime takes TensorRT's place; and TensorRT-RTX without a GPU."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest

from edge_mtl.bundle import Bundle
from edge_mtl.errors import EdgeMtlError
from edge_mtl.runtime.engines import ENGINES, GpuEngine, Opening, fastest, open_engine, open_engines

AsBuilt = Callable[..., Bundle]
REBUILD = r"build it again here: edge-mtl export --rebuild tiny\.emtl"


@pytest.fixture
def half(tiny_bundle_half: Bundle, as_built: AsBuilt) -> Bundle:
    return as_built(tiny_bundle_half)


@pytest.mark.usefixtures("trt")
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_host_arrays_in_and_out(
    gpu: Any, dtype: str, tiny_bundle: Bundle, tiny_bundle_half: Bundle, as_built: AsBuilt
) -> None:
    bundle = tiny_bundle if dtype == "float32" else tiny_bundle_half
    image = np.random.default_rng(1).standard_normal((1, 3, 64, 96)).astype(dtype)
    results = []
    for engine in (
        open_engine("onnxruntime", bundle, 1),
        open_engine("tensorrt", as_built(bundle)),
    ):
        engine.image[...] = image
        engine.infer()
        results.append({name: array.copy() for name, array in engine.outputs.items()})
    for name, expected in results[0].items():
        np.testing.assert_array_equal(results[1][name], expected)
    assert isinstance(engine, GpuEngine)
    assert engine.name == "tensorrt"
    before = gpu.allocations
    engine.infer()
    assert gpu.allocations == before
    engine.close()
    engine.close()
    assert gpu.live_bytes == 0
    assert gpu.depth == 0


@pytest.mark.usefixtures("trt")
def test_two_engines_of_one_plan_have_buffers_of_their_own(
    gpu: Any, tiny_bundle: Bundle, as_built: AsBuilt
) -> None:
    rng = np.random.default_rng(1)
    alone = open_engine("onnxruntime", tiny_bundle, 1)
    first, second = found = open_engines("tensorrt", as_built(tiny_bundle), Opening(count=2))
    for engine in found:
        engine.image[...] = rng.standard_normal((1, 3, 64, 96))
    for engine in found:
        engine.infer()
    first.close()
    alone.image[...] = second.image
    for _ in range(2):  # also once the other one is closed
        alone.infer()
        for name, expected in alone.outputs.items():
            np.testing.assert_array_equal(second.outputs[name], expected)
        second.infer()
    second.close()
    assert gpu.live_bytes == 0


@pytest.mark.usefixtures("trt")
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": "10.7.0.23"}, "built for tensorrt 10.7.0.23, found 10.3.0"),
        ({"module": "tensorrt_rtx"}, "built for tensorrt_rtx, found tensorrt"),
        ({"platform": "linux-riscv64"}, "built for linux-riscv64, found linux-"),
        (
            {"compute_capabilities": ("8.6", "8.9")},
            "built for compute capability 8.6 or 8.9, found 8.7",
        ),
    ],
)
def test_lessons_9_and_10_another_version_gpu_or_system_is_told_with_the_way_out(
    tiny_bundle: Bundle, as_built: AsBuilt, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(EdgeMtlError, match=rf"orin.engine was {message}.*{REBUILD}$") as caught:
        open_engine("tensorrt", as_built(tiny_bundle, **changes))
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("trt")
def test_a_bundle_that_was_made_without_its_gpu(tiny_bundle: Bundle) -> None:
    with pytest.raises(EdgeMtlError, match=rf"found none; {REBUILD}$"):
        open_engine("tensorrt", tiny_bundle)


@pytest.mark.usefixtures("trt")
def test_an_engine_that_does_not_load_says_why(tiny_bundle: Bundle, as_built: AsBuilt) -> None:
    message = (
        rf"tensorrt 10.3.0 cannot load orin.engine \(the magic tag does not match\); {REBUILD}"
    )
    with pytest.raises(EdgeMtlError, match=message):
        open_engine("tensorrt", as_built(tiny_bundle, b"truncated"))


@pytest.mark.usefixtures("trt")
def test_an_accelerator_that_is_not_there(tiny_bundle: Bundle, as_built: AsBuilt) -> None:
    with pytest.raises(EdgeMtlError, match="built for DLA core 1, found 0 cores here"):
        open_engine("tensorrt", as_built(tiny_bundle, dla=1))


@pytest.mark.usefixtures("trt")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "other"}, "tensorrt finds no tensor 'other' in the network, which has image"),
        ({"shape": (1, 9, 16, 24)}, "float32 1x9x16x24, the network has float32 1x4x16x24"),
        ({"dtype": "float16"}, "float16 1x4x16x24, the network has float32 1x4x16x24"),
    ],
)
def test_an_engine_that_does_not_fit_the_manifest(
    tiny_bundle: Bundle, as_built: AsBuilt, change: dict[str, Any], message: str
) -> None:
    bundle = as_built(tiny_bundle)
    outputs = tuple(
        msgspec.structs.replace(each, **change) if each.name == "classes" else each
        for each in bundle.manifest.outputs
    )
    manifest = msgspec.structs.replace(bundle.manifest, outputs=outputs)
    with pytest.raises(EdgeMtlError, match=message):
        open_engine("tensorrt", Bundle(bundle.path, manifest, bundle.files))


@pytest.mark.usefixtures("trt")
def test_an_output_that_the_manifest_does_not_know(tiny_bundle: Bundle, as_built: AsBuilt) -> None:
    """TensorRT would write it to wherever its address points."""
    bundle = as_built(tiny_bundle)
    manifest = msgspec.structs.replace(bundle.manifest, outputs=bundle.manifest.outputs[1:])
    with pytest.raises(EdgeMtlError, match=rf"expected an engine with .*as output\); {REBUILD}"):
        open_engine("tensorrt", Bundle(bundle.path, manifest, bundle.files))


def test_an_engine_whose_tensors_are_not_in_rows(
    trt: Any, tiny_bundle: Bundle, as_built: AsBuilt, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = trt.Runtime.deserialize_cuda_engine

    def loads_vectors(self: Any, plan: bytes) -> Any:
        engine = load(self, plan)
        engine.formats["image"] = trt.TensorFormat.CHW4
        return engine

    monkeypatch.setattr(trt.Runtime, "deserialize_cuda_engine", loads_vectors)
    with pytest.raises(EdgeMtlError, match="'image' in rows, found the format CHW4"):
        open_engine("tensorrt", as_built(tiny_bundle))


def test_a_run_that_fails_says_why(trt: Any, half: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = open_engine("tensorrt", half)
    monkeypatch.setattr(trt.IExecutionContext, "execute_async_v3", refuse)
    with pytest.raises(EdgeMtlError, match="tensorrt cannot run the engine: no reason given"):
        engine.infer()


def refuse(self: Any, stream: int) -> bool:
    return False


@pytest.mark.usefixtures("trt")
def test_auto_considers_tensorrt_where_the_bundle_has_something_for_it(
    tiny_bundle: Bundle, as_built: AsBuilt, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []
    real = fastest.open_warm

    def note(name: str, *arguments: Any) -> Any:
        tried.append(name)
        return real(name, *arguments)

    monkeypatch.setattr(fastest, "open_warm", note)
    for bundle in (tiny_bundle, as_built(tiny_bundle)):
        open_engine("auto", bundle, 1).close()
    assert tried == ["onnxruntime", "openvino", "onnxruntime", "openvino", "tensorrt"]


def test_without_pycuda_the_extra_that_has_it_is_named(
    tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX is not installed")
    monkeypatch.setitem(sys.modules, "pycuda", None)
    with pytest.raises(EdgeMtlError, match=r"tensorrt-rtx is not installed.*pycuda.*mtl\[gpu\]'"):
        open_engine("tensorrt-rtx", tiny_bundle)


def test_rows_name_the_module_that_built_the_engine() -> None:
    assert {entry.module for entry in ENGINES.values() if entry.built} == {
        "tensorrt",
        "tensorrt_rtx",
    }


@pytest.mark.usefixtures("gpu")
def test_a_true_engine_of_tensorrt_rtx_without_a_gpu(tiny_bundle: Bundle) -> None:
    """Built here for 8.6; what it is compared with is the double's GPU, and TensorRT-RTX itself
    finds out that there is none."""
    pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX is not installed")
    from edge_mtl.export.tensorrt_builder import EngineRequest, build_engine

    plan, built = build_engine(tiny_bundle.network, EngineRequest(compute_capabilities=("8.6",)))

    def bundle(**changes: Any) -> Bundle:
        engine = msgspec.structs.replace(built, **changes)
        manifest = msgspec.structs.replace(tiny_bundle.manifest, engines={"rtx.engine": engine})
        return Bundle(tiny_bundle.path, manifest, {**tiny_bundle.files, "rtx.engine": plan})

    with pytest.raises(EdgeMtlError, match=rf"capability 8.6, found 8.7; {REBUILD}"):
        open_engine("tensorrt-rtx", bundle())
    with pytest.raises(EdgeMtlError, match=r"rtx.engine was built for tensorrt_rtx 1\.6\.0\.1, fo"):
        open_engine("tensorrt-rtx", bundle(version="1.6.0.1"))
