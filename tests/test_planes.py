"""Images beside the picture, from the data to the runtime: rendered depth, fused early and late."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from edge_mtl.bundle import Bundle
from edge_mtl.data.rendered import RenderedScenes
from edge_mtl.data.scene_writer import write_scene_folder
from edge_mtl.errors import EdgeMtlError
from edge_mtl.runtime.pipeline import Pipeline
from edge_mtl.spec import InputSpec, ModelSpec, PlaneInput
from edge_mtl.tasks import SegmentationTask

torch = pytest.importorskip("torch", reason="networks are made with torch, of the extra train")
pytest.importorskip("lightning_fabric", reason="training is in the extra train")
pytest.importorskip("onnx", reason="export is in the extra export")

SIZE = 128, 64
DEPTH = 0.25, 0.25  # mean and standard deviation of rendered depth, about


def spec_of(fusion: Literal["early", "stem"]) -> ModelSpec:
    return ModelSpec(
        name="rgbd",
        input=InputSpec(width=SIZE[0], height=SIZE[1]),
        planes=(PlaneInput(name="depth", mean=DEPTH[0], std=DEPTH[1], fusion=fusion),),
        backbone="edgenet-n",
        neck_channels=16,
        tasks=(
            SegmentationTask(
                name="drivable", classes=("background", "drivable"), stride=8, binary=True
            ),
        ),
    )


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Frames of rendered scenes with their depth, as a folder."""
    root = tmp_path_factory.mktemp("scenes")
    for split, frames, seed in (("train", 32, 1), ("val", 3, 2)):
        write_scene_folder(
            RenderedScenes(frames, seed=seed, size=SIZE, clip_frames=16, fps=4.0), root / split
        )
    return root


@pytest.mark.parametrize("fusion", ["early", "stem"])
def test_a_network_with_depth_from_training_to_the_runtime(
    scenes: Path, tmp_path: Path, fusion: Literal["early", "stem"]
) -> None:
    from rich.progress import Progress

    from edge_mtl.data.augment import Augmentation
    from edge_mtl.data.datasets import open_dataset
    from edge_mtl.evaluation.accuracy import evaluate
    from edge_mtl.export.exporter import ExportSettings, export
    from edge_mtl.export.gate import with_tolerances
    from edge_mtl.network.checkpoint import load_checkpoint
    from edge_mtl.network.engine import TorchEngine
    from edge_mtl.train.config import DataConfig, DataSource, TrainConfig
    from edge_mtl.train.loop import train

    torch.set_num_threads(1)
    source = f"scenes:{scenes}"
    config = TrainConfig(
        name="run",
        model=spec_of(fusion),
        data=DataConfig(
            train=(DataSource(data=source),), val=DataSource(data=source, split="val"), workers=0
        ),
        augmentation=Augmentation(mosaic=0.3, copy_paste=0.3),
        crop=SIZE,
        epochs=1,
        batch=4,
        precision="32-true",
        learning_rate=4e-3,
        ema=0.5,
    )
    with Progress(disable=True) as bar:
        folder = train(config, tmp_path, bar)
    network = load_checkpoint(folder / "best.safetensors")
    weights = (
        network.backbone.stem[0].weight[:, 3:]
        if fusion == "early"
        else network.fusion.stems["depth"][1].weight
    )
    assert weights.abs().max() > 0  # it has learned to look at the plane

    held_out = open_dataset(source, "val")
    calibration = open_dataset(source, "train")
    settings = ExportSettings(tolerances=with_tolerances(["100"]), elsewhere=True)
    exported = export(network, tmp_path / "rgbd.emtl", settings, calibration, held_out)
    exported.bundle.save()
    bundle = Bundle.open(tmp_path / "rgbd.emtl")
    assert [(each.name, each.dtype) for each in bundle.manifest.planes] == [("depth", "uint8")]
    float_accuracy = evaluate(network.spec, TorchEngine(network, network.spec), held_out)
    before, after = exported.before.labels, exported.after.labels
    assert before.headline == pytest.approx(float_accuracy.headline, abs=1e-3)
    assert after.headline == pytest.approx(before.headline, abs=0.05)

    sample = held_out[0]
    seen = {}
    for engine in ("onnxruntime", "openvino"):
        pytest.importorskip(engine, reason=f"{engine} is in the extra cpu")
        with Pipeline.from_bundle(bundle, engine, threads=1) as pipeline:
            [streamed] = pipeline.stream("rendered:seed=2,frames=1,width=128,height=64")
            assert streamed.size == SIZE
            scene = pipeline(sample.image, planes=sample.planes)
            seen[engine] = pipeline.engine.outputs["drivable"].astype(int)
            pipeline(sample.image, planes={"depth": np.full_like(sample.planes["depth"], 255)})
            assert (pipeline.engine.outputs["drivable"] != seen[engine]).any()
            assert scene.masks["drivable"].labels.shape == sample.image.shape[:2]
            with pytest.raises(EdgeMtlError, match=r"takes the plane 'depth'.* found none"):
                pipeline(sample.image)
            with pytest.raises(EdgeMtlError, match=r"to be \(64, 128\) uint8.* found \(64, 64\)"):
                pipeline(sample.image, planes={"depth": sample.planes["depth"][:, :64]})
    assert np.abs(seen["onnxruntime"] - seen["openvino"]).max() <= 2
