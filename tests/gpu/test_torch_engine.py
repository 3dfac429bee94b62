"""A checkpoint in torch on the GPU, between the kernels, against the same network between those of
the processor."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from edge_mtl.runtime.engines import GpuEngine
from edge_mtl.runtime.pipeline import Pipeline
from edge_mtl.scene import Scene
from edge_mtl.spec import InputSpec, ModelSpec
from edge_mtl.tasks import DetectionTask, SegmentationTask

torch = pytest.importorskip("torch", reason="torch runs the checkpoint")
pytest.importorskip(
    "pycuda.driver", reason="PyCUDA, of the extra gpu, launches the kernels", exc_type=ImportError
)
if not torch.cuda.is_available():
    pytest.skip("torch finds no NVIDIA GPU on this machine", allow_module_level=True)

from edge_mtl.network.gpu_engine import TorchGpuEngine  # noqa: E402
from edge_mtl.network.network import Network  # noqa: E402

SPEC = ModelSpec(
    name="tiny",
    input=InputSpec(width=96, height=64),
    backbone="edgenet-n",
    neck_channels=8,
    tasks=(
        DetectionTask(classes=("car",), score_threshold=0.001),
        SegmentationTask(name="surface", classes=("road", "grass", "sky")),
    ),
)


def test_scenes_are_those_of_the_processors_kernels(
    assert_same: Callable[[Scene, Scene], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    torch.manual_seed(0)
    network = Network(SPEC).eval().cuda()
    engine = TorchGpuEngine(network, SPEC)
    assert isinstance(engine, GpuEngine)
    with Pipeline(SPEC, engine) as pipe:
        host = Pipeline(SPEC, TorchGpuEngine(network, SPEC), raw_on_host=True)
        for seed, size in enumerate([(72, 128), (480, 640), (72, 128)]):
            frame = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
            assert_same(pipe(frame), host(frame))
