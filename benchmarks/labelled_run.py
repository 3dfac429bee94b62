"""A training run of `ablations.toml` with masks and boxes alone, on frames whose labels are few or
another's, measured on CamVid's validation split."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from ablations import HERE, figures_of, only

from edge_mtl.cli.progress import make_progress
from edge_mtl.config import load_config
from edge_mtl.machine import Machine
from edge_mtl.network.checkpoint import load_checkpoint
from edge_mtl.train.config import DataSource, TrainConfig
from edge_mtl.train.loop import train


class Row(msgspec.Struct, kw_only=True):
    name: str
    seed: int
    miou: float
    map50: float
    command: str
    machine: Machine
    commit: str


def run(
    name: str,
    seed: int,
    sources: tuple[DataSource, ...],
    camvid: Path,
    work: Path,
    **changes: Any,
) -> tuple[Path, float, float]:
    """Train and measure.

    changes: of other fields of the configuration.

    Returns:
        The checkpoint, its mIoU and its mAP50.
    """
    base = only("segmentation", "detection")(load_config(HERE / "ablations.toml", TrainConfig))
    val = DataSource(data=f"camvid:{camvid}", split="val")
    data = msgspec.structs.replace(base.data, train=sources, val=val, val_limit=20)
    config = msgspec.structs.replace(
        base, name=f"{name.replace(' ', '-')}-{seed}", seed=seed, data=data, **changes
    )
    with make_progress() as bar:
        checkpoint = train(config, work, bar) / "last.safetensors"
    figures = figures_of(load_checkpoint(checkpoint), f"camvid:{camvid}")
    return checkpoint, figures["segmentation"]["miou"], figures["detection"]["map50"]
