from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import onnx
import pytest

from edge_mtl.bundle import NETWORK, Bundle
from edge_mtl.errors import EdgeMtlError, UsageError
from edge_mtl.export import engine_plan
from edge_mtl.export import rebuild as rebuilding
from edge_mtl.export.edges import edge_tensors
from edge_mtl.export.engine_plan import EngineWishes
from edge_mtl.export.rebuild import rebuild
from edge_mtl.machine import Gpu
from edge_mtl.network.network import Network

only_edgenet = pytest.mark.parametrize("backbone", ["edgenet-n"])
Make = Callable[[str], Bundle]


def silent(stage: str, done: int, total: int) -> None:
    pass


@pytest.fixture
def bundle_for(network: Network, graph: onnx.ModelProto, tmp_path: Path) -> Make:
    """A bundle for a target, without an engine."""

    def make(target: str) -> Bundle:
        return Bundle.create(
            tmp_path / "m.emtl",
            {NETWORK: graph.SerializeToString()},
            spec=network.spec,
            target=target,
            precision="fp16",
            **edge_tensors(graph, network.spec)._asdict(),
        )

    return make


@only_edgenet
def test_lesson_an_engine_of_another_gpu_is_built_again_with_one_command(
    bundle_for: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """jetson-inference#426, TensorRT#564, AI-Aimbot#109 (`NoneType`)."""
    pytest.importorskip("tensorrt_rtx", reason="tensorrt_rtx, of extra tensorrt-rtx, is missing")
    monkeypatch.setattr(rebuilding, "gpus", list)
    wishes = EngineWishes(compute_capability="8.6")
    first = rebuild(bundle_for("tensorrt-rtx"), tmp_path / "m.emtl", wishes, silent)
    [(name, built)] = first.manifest.engines.items()
    assert name == "network.sm86.engine"
    here = built.module, built.version, (8, 9), built.platform
    with pytest.raises(
        EdgeMtlError,
        match=r"built for compute capability 8\.6, found 8\.9; build it again here: "
        f"edge-mtl export --rebuild {first.path}",
    ):
        first.engine(*here)

    # The GPU of this machine, where there is one, is what it is built for.
    monkeypatch.setattr(rebuilding, "gpus", lambda: [Gpu("RTX 4090", (8, 9), (13, 0))])
    again = rebuild(replace(first, signature=b"x" * 64), first.path, EngineWishes(), silent)
    again.save()
    found = Bundle.open(first.path)
    assert found.engine(*here)[0] == "network.sm89.engine"
    assert set(found.files) == {NETWORK, "network.sm89.engine"}
    assert found.network == first.network
    assert found.signature is None


@only_edgenet
def test_what_cannot_be_built_here_says_why(
    bundle_for: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="expected a bundle for tensorrt or tensorrt-rtx, found"):
        rebuild(bundle_for("cpu"), tmp_path / "m.emtl", EngineWishes(), silent)
    monkeypatch.setattr(engine_plan, "import_module", _missing)
    with pytest.raises(EdgeMtlError, match=r"tensorrt is not installed\): build it on the device"):
        rebuild(bundle_for("tensorrt"), tmp_path / "m.emtl", EngineWishes(), silent)


def _missing(name: str) -> object:
    raise ImportError(name)


@only_edgenet
def test_a_board_without_torch_builds_its_engine(bundle_for: Make) -> None:
    pytest.importorskip("tensorrt_rtx", reason="tensorrt_rtx, of extra tensorrt-rtx, is missing")
    bundle_for("tensorrt-rtx").save()
    path = bundle_for("tensorrt-rtx").path
    code = "import sys; sys.modules['torch'] = None\nfrom edge_mtl.cli import main; main()"
    rebuilt = ["export", "--rebuild", str(path), "--compute-capability", "8.6"]
    done = subprocess.run(
        [sys.executable, "-c", code, *rebuilt], capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert list(Bundle.open(path).manifest.engines) == ["network.sm86.engine"]
