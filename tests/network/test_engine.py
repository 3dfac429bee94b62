from __future__ import annotations

import numpy as np
import torch

from edge_mtl.network.engine import TorchEngine
from edge_mtl.network.network import Network
from edge_mtl.spec import InputSpec, ModelSpec
from edge_mtl.tasks import DetectionTask, SegmentationTask

SPEC = ModelSpec(
    name="tiny",
    input=InputSpec(width=64, height=32),
    backbone="edgenet-n",
    neck_channels=8,
    tasks=(
        DetectionTask(classes=("car",), strides=(8,)),
        SegmentationTask(name="surface", classes=("road", "grass")),
    ),
)


def test_it_gives_what_the_network_gives() -> None:
    torch.manual_seed(0)
    network = Network(SPEC).eval()
    engine = TorchEngine(network, SPEC)
    buffers = dict(engine.outputs)
    image = np.random.default_rng(0).normal(size=(2, *engine.image.shape)).astype(np.float32)
    for picture in image:
        engine.image[...] = picture
        engine.infer()
        with torch.inference_mode():
            expected = network(torch.from_numpy(picture))
        assert list(engine.outputs) == [tensor.name for tensor in SPEC.output_tensors]
        for name, value in expected.items():
            np.testing.assert_allclose(engine.outputs[name], value.numpy(), rtol=1e-4, atol=1e-5)
            assert engine.outputs[name] is buffers[name]  # the buffers stay where they are
    engine.close()
