"""Both engines against ONNX's reference evaluator, and what `open_engine` says when it cannot."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from edge_mtl.bundle import NETWORK, Bundle
from edge_mtl.errors import EdgeMtlError, UsageError
from edge_mtl.runtime import engines
from edge_mtl.runtime.engines import ENGINES, Opening, open_engine, open_engines
from edge_mtl.tensor_spec import TensorSpec

NAMES = "onnxruntime", "openvino"  # those that take no GPU


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    pytest.importorskip(ENGINES[request.param].module, reason="this engine is not installed")
    chosen: str = request.param
    return chosen


def reference(bundle: Bundle, image: NDArray[Any]) -> dict[str, NDArray[Any]]:
    evaluator = pytest.importorskip("onnx.reference").ReferenceEvaluator(bundle.network)
    names = [tensor.name for tensor in bundle.manifest.outputs]
    return dict(zip(names, evaluator.run(names, {"image": image}), strict=True))


def test_float_outputs_are_the_references(name: str, tiny_bundle: Bundle) -> None:
    image = np.random.default_rng(1).standard_normal((1, 3, 64, 96)).astype(np.float32)
    engine = open_engine(name, tiny_bundle)
    assert engine.name == name
    engine.image[...] = image
    engine.infer()
    for tensor, expected in reference(tiny_bundle, image).items():
        np.testing.assert_allclose(engine.outputs[tensor], expected, atol=2e-5)
    engine.close()
    engine.close()


def test_engines_of_one_network_run_at_once_on_buffers_of_their_own(
    name: str, tiny_bundle: Bundle
) -> None:
    rng = np.random.default_rng(1)
    first, second = found = open_engines(name, tiny_bundle, Opening(threads=2, count=2))
    images = [rng.standard_normal((1, 3, 64, 96)).astype(np.float32) for _ in found]
    for engine, image in zip(found, images, strict=True):
        engine.image[...] = image
    threads = [
        threading.Thread(target=lambda engine=engine: [engine.infer() for _ in range(50)])
        for engine in found
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for engine, image in zip(found, images, strict=True):
        for tensor, expected in reference(tiny_bundle, image).items():
            np.testing.assert_allclose(engine.outputs[tensor], expected, atol=2e-5)
    first.close()
    second.image[...] = images[0]
    second.infer()
    for tensor, expected in reference(tiny_bundle, images[0]).items():
        np.testing.assert_allclose(second.outputs[tensor], expected, atol=2e-5)
    second.close()


def test_8bit_edges_round_once_and_nothing_else(name: str, tiny_bundle_8bit: Bundle) -> None:
    """The network between the edges is float: rounding its weights too would cost more than half
    a step of the output."""
    image = np.random.default_rng(1).integers(0, 256, (1, 3, 64, 96), np.uint8)
    engine = open_engine(name, tiny_bundle_8bit)
    assert engine.image.dtype == np.uint8
    engine.image[...] = image
    engine.infer()
    for tensor, expected in reference(tiny_bundle_8bit, image).items():
        assert engine.outputs[tensor].dtype == np.uint8
        steps = np.abs(engine.outputs[tensor].astype(int) - expected)
        assert steps.max() <= 1
        assert (steps > 0).mean() < 1e-3  # ties of rounding, no more
    engine.close()


def test_float16_edges(name: str, tiny_bundle_half: Bundle) -> None:
    image = np.random.default_rng(1).standard_normal((1, 3, 64, 96)).astype(np.float16)
    engine = open_engine(name, tiny_bundle_half)
    assert engine.image.dtype == np.float16
    engine.image[...] = image
    engine.infer()
    for tensor, expected in reference(tiny_bundle_half, image).items():
        assert engine.outputs[tensor].dtype == np.float16
        np.testing.assert_allclose(engine.outputs[tensor], expected, atol=2e-5, rtol=2e-3)
    engine.close()


def test_lesson_buffers_are_allocated_once(name: str, tiny_bundle: Bundle) -> None:
    """ultralytics#1031, tensorrt-zoo#34: memory and events that every frame adds to."""
    engine = open_engine(name, tiny_bundle)
    before = {key: value.ctypes.data for key, value in engine.outputs.items()}
    results = []
    for value in (0.0, 1.0):
        engine.image.fill(value)
        engine.infer()
        results.append({key: output.copy() for key, output in engine.outputs.items()})
    assert {key: value.ctypes.data for key, value in engine.outputs.items()} == before
    assert all(np.any(results[0][key] != results[1][key]) for key in before)
    engine.close()


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_change_no_result(name: str, tiny_bundle: Bundle, threads: int) -> None:
    engine = open_engine(name, tiny_bundle, threads)
    engine.image.fill(0.5)
    engine.infer()
    expected = reference(tiny_bundle, engine.image)
    np.testing.assert_allclose(engine.outputs["classes"], expected["classes"], atol=2e-5)
    engine.close()


def test_a_network_that_is_none_is_refused(name: str, tiny_bundle: Bundle) -> None:
    broken = Bundle(Path("b.emtl"), tiny_bundle.manifest, {NETWORK: b"\x08\x09junk" * 50})
    with pytest.raises(
        EdgeMtlError, match=rf"b\.emtl: {name} refuses the network \(.+\)"
    ) as caught:
        open_engine(name, broken)
    assert "\n" not in str(caught.value)


def with_outputs(bundle: Bundle, outputs: tuple[TensorSpec, ...]) -> Bundle:
    manifest = msgspec.structs.replace(bundle.manifest, outputs=outputs)
    return Bundle(bundle.path, manifest, bundle.files)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "other"}, "no tensor 'other' in the network, which has image"),
        ({"shape": (1, 9, 16, 24)}, r"float32 1x9x16x24, the network has float32 1x4x16x24"),
        ({"dtype": "uint8"}, r"uint8 1x4x16x24, the network has float32 1x4x16x24"),
    ],
)
def test_a_manifest_that_does_not_fit_the_network(
    name: str, tiny_bundle: Bundle, change: dict[str, Any], message: str
) -> None:
    outputs = tuple(
        msgspec.structs.replace(tensor, **change) if tensor.name == "classes" else tensor
        for tensor in tiny_bundle.manifest.outputs
    )
    with pytest.raises(EdgeMtlError, match=message):
        open_engine(name, with_outputs(tiny_bundle, outputs))


def test_unknown_names_and_thread_counts(tiny_bundle: Bundle) -> None:
    with pytest.raises(UsageError, match="known: auto, onnxruntime, openvino"):
        open_engine("onnxrt", tiny_bundle)
    with pytest.raises(UsageError, match="at least 1 thread, found 0"):
        open_engine("auto", tiny_bundle, 0)


def test_what_to_install_where_no_engine_is(
    tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("ort", "ov"):
        monkeypatch.delitem(sys.modules, f"edge_mtl.runtime.engines.{module}", raising=False)
        monkeypatch.delattr(engines, module, raising=False)
    for entry in ENGINES.values():
        monkeypatch.setitem(sys.modules, entry.module, None)
    with pytest.raises(EdgeMtlError, match=r"no engine is installed.*'edge-mtl\[cpu\]'"):
        open_engine("auto", tiny_bundle)
    with pytest.raises(EdgeMtlError, match=r"openvino is not installed.*'edge-mtl\[cpu\]'"):
        open_engine("openvino", tiny_bundle)


def test_a_signal_after_two_openvino_engines_were_closed_is_survived(
    tiny_bundle_path: Path,
) -> None:
    pytest.importorskip("openvino", reason="the extra cpu is not installed")
    script = f"""
import signal
from pathlib import Path
from edge_mtl.bundle import Bundle
from edge_mtl.runtime.engines import open_engine
bundle = Bundle.open(Path({str(tiny_bundle_path)!r}))
first, second = (open_engine("openvino", bundle, 1) for _ in range(2))
first.close()
del first
second.close()
del second
signal.signal(signal.SIGINT, lambda *_: print("handled"))
signal.raise_signal(signal.SIGINT)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "handled\n"), done.stderr


def test_no_engine_tells_anybody_of_its_use(tmp_path: Path) -> None:
    """openvino 2026.4.1 asks for www.google-analytics.com as soon as it is imported."""
    if importlib.util.find_spec("openvino") is None:
        pytest.skip("OpenVINO, of the extra cpu, is not installed")
    code = (
        "import socket, threading\nasked = []\n"
        "socket.getaddrinfo = lambda *host, **_: asked.append(host) or []\n"
        "from edge_mtl.diagnosis import examine\nexamine()\nimport edge_mtl.runtime.engines.ov\n"
        "for each in threading.enumerate():\n"
        "    each is threading.current_thread() or each.daemon or each.join(20)\n"
        "print(asked)"
    )
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**environment, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"
    assert not (tmp_path / "intel").exists()  # where it keeps the number of the user
