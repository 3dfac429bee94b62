"""Every recipe of the zoo becomes one engine for three GPUs that are not here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from edge_mtl import zoo
from edge_mtl.config import load_config
from edge_mtl.data.sample import Sample, Vocabulary
from edge_mtl.export.batch import Batch
from edge_mtl.export.calibration import calibrate
from edge_mtl.export.edges import strip_edges
from edge_mtl.export.engine_plan import EngineWishes, build_files, plan_engine
from edge_mtl.export.graph import onnx_from_network
from edge_mtl.export.layers import name_nodes
from edge_mtl.export.quantize import quantize
from edge_mtl.export.schemes import scheme
from edge_mtl.network.network import Network
from edge_mtl.train.config import TrainConfig

pytest.importorskip("tensorrt_rtx", reason="tensorrt_rtx, of extra tensorrt-rtx, is missing")
RECIPES = zoo.shipped(".toml")
FAST = ("multitask-cnn",)


class Noise:
    """Pictures with every value in them."""

    name = "noise"
    vocabulary = Vocabulary({})

    def __len__(self) -> int:
        return 32

    def __getitem__(self, index: int) -> Sample:
        image = np.random.default_rng(index).integers(0, 256, (48, 64, 3), np.uint8)
        return Sample(image, f"{index}")


@pytest.mark.parametrize(
    "name", [n if n in FAST else pytest.param(n, marks=pytest.mark.slow) for n in RECIPES]
)
@pytest.mark.usefixtures("one_thread")
def test_a_recipe_builds_in_float_and_in_int8(name: str, tmp_path: Path) -> None:
    spec = load_config(RECIPES[name], TrainConfig).model
    torch.manual_seed(0)
    floating = onnx_from_network(Network(spec).eval())
    name_nodes(floating)
    rtx = scheme("tensorrt-rtx")
    quantized = quantize(floating, rtx, calibrate(floating, spec, rtx, Noise()))
    strip_edges(quantized)
    wishes = EngineWishes(batch=Batch(1, 2, 4))
    for model, precision in ((floating, "fp16"), (quantized, "int8")):
        request = plan_engine(tmp_path / "n.emtl", "tensorrt-rtx", precision, wishes)
        assert request is not None
        (engine,), (entry,) = (
            tuple(each.values()) for each in build_files(model.SerializeToString(), request)
        )
        assert len(engine) > 10_000
        assert entry.compute_capabilities == ("8.6", "8.9", "12.0")
        assert entry.precision == ("fp16" if precision == "fp16" else "int8+fp16")
    assert quantized.graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.INT8
