"""A network that was trained with 8 bits in mind goes the way of every export, and loses less."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edge_mtl.compression.fake_quantization import FakeQuantization
from edge_mtl.data.sample import Sample, Vocabulary
from edge_mtl.export.calibration import preprocessed
from edge_mtl.export.exporter import Export, ExportSettings, export
from edge_mtl.export.gate import with_tolerances
from edge_mtl.export.schemes import scheme
from edge_mtl.network.network import Network
from edge_mtl.ops import Preprocessor
from edge_mtl.placement import Placement
from edge_mtl.reference import dequantise
from edge_mtl.runtime.engines import open_engine
from edge_mtl.spec import InputSpec, ModelSpec
from edge_mtl.tasks import SegmentationTask

SPEC = ModelSpec(
    name="colours",
    input=InputSpec(width=64, height=32),
    backbone="edgenet-n",
    neck_channels=16,
    tasks=(SegmentationTask(name="colour", classes=("blue", "green", "red")),),
)
LOUD = 60.0


class Colours:
    """Squares of one colour, labelled by the channel that is strongest in them."""

    name = "colours"
    vocabulary = Vocabulary({"colour": ("blue", "green", "red")})

    def __init__(self, first: int, count: int) -> None:
        self._first = first
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Sample:
        number = self._first + index
        coarse = np.random.default_rng(number).integers(0, 256, (4, 8, 3), np.uint8)
        image = np.repeat(np.repeat(coarse, 8, axis=0), 8, axis=1)
        return Sample(image, f"{number}", {"colour": image.argmax(2).astype(np.uint8)})


def pictures(frames: Colours) -> Tensor:
    return torch.cat([torch.from_numpy(f["image"].copy()) for f in preprocessed(SPEC, frames)])


SEEN, UNSEEN = Colours(0, 64), Colours(1000, 16)


def batches(steps: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Pictures and their labels."""
    images = pictures(SEEN)
    labels = torch.stack([torch.from_numpy(SEEN[i].masks["colour"]).long() for i in range(64)])
    for _ in range(steps):
        chosen = torch.randperm(64)[:16]
        yield images[chosen], labels[chosen]


def step(raw: dict[str, Tensor], labels: Tensor, optimizer: torch.optim.Optimizer) -> None:
    logits = F.interpolate(raw["colour"], size=labels.shape[1:], mode="bilinear")
    optimizer.zero_grad()
    F.cross_entropy(logits, labels).backward()
    optimizer.step()


@pytest.fixture(scope="module")
def trained() -> Network:
    """A float network that knows its task, one channel of which is `LOUD` times the others and is
    quietened again by the convolution behind it: 8 bits for all of them hear little else."""
    torch.manual_seed(0)
    network = Network(SPEC).train()
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    for images, labels in batches(60):
        step(network(images), labels, optimizer)
    norm = next(m for m in network.backbone.stem.modules() if isinstance(m, nn.BatchNorm2d))
    behind = next(m for m in network.backbone.stages[0].modules() if isinstance(m, nn.Conv2d))
    with torch.no_grad():
        norm.weight[0] *= LOUD
        norm.bias[0] *= LOUD
        behind.weight[:, 0] /= LOUD
    return network.eval()


def fine_tuned(network: Network, target: str) -> tuple[Network, FakeQuantization]:
    """As `train` does it for `quantization_aware`: batch norms frozen, a few steps."""
    torch.manual_seed(1)
    student = copy.deepcopy(network).train()
    for module in student.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    quantization = FakeQuantization(student, scheme(target))
    optimizer = torch.optim.Adam(student.parameters(), 2e-3)
    for images, labels in batches(40):
        with quantization:
            raw = student(images)
        step(raw, labels, optimizer)
    return student, quantization.eval()


def exported(network: Network, target: str, allowed: float) -> Export:
    tolerances = with_tolerances([f"{allowed}"])
    settings = ExportSettings(target=target, tolerances=tolerances, elsewhere=True)
    return export(network, Path("colours.emtl"), settings, Colours(0, 32), UNSEEN)


def apart(made: Export, expected: Tensor) -> float:
    """The root mean square difference of a bundle's logits from others, as a share of their
    standard deviation."""
    manifest = made.bundle.manifest
    engine = open_engine("onnxruntime", made.bundle, 1)
    preprocess = Preprocessor(SPEC.input, manifest.input)
    found = []
    for index in range(len(UNSEEN)):
        image = UNSEEN[index].image
        preprocess([image], [Placement.fit((64, 32), SPEC.input)], engine.image)
        engine.infer()
        found.append(np.array(dequantise(manifest.outputs[0], engine.outputs["colour"])))
    engine.close()
    difference = torch.from_numpy(np.concatenate(found)) - expected
    return (difference.square().mean().sqrt() / expected.std()).item()


@pytest.mark.parametrize("target", ["cpu", pytest.param("tensorrt-rtx", marks=pytest.mark.slow)])
def test_a_quantisation_aware_checkpoint_passes_where_a_float_one_does_not(
    trained: Network, target: str
) -> None:
    if target == "tensorrt-rtx":
        pytest.importorskip("tensorrt_rtx", reason="tensorrt_rtx, of its extra, is missing")
    plain = exported(trained, target, 100.0)
    [lost] = [each.lost for each in plain.report.candidates[1].verdicts]
    assert lost > 1
    student, quantization = fine_tuned(trained, target)
    allowed = 0.7 * lost
    with torch.no_grad():
        images = pictures(UNSEEN)
        floating = trained(images)["colour"]
        with quantization:
            rounded = student(images)["colour"]
    made = exported(student.eval(), target, allowed)
    assert (made.report.kept, made.bundle.manifest.precision) == ("int8", "int8")
    assert {layer.precision for layer in made.report.layers} == {"int8"}
    # Nor did it forget its task for that.
    before, after = (each.after.labels.headline for each in (plain, made))
    assert after > before
    # What was rounded in training is what is rounded in the bundle.
    assert apart(made, rounded) < apart(plain, floating)
