"""Logits of a trained network over the frames of a drive, for 12 classes at stride 4.

The network is `driving-s` as it ships, in ONNX Runtime: 11 classes at stride 2. Its logits are
averaged over 2x2 cells, and a class that is nowhere the best joins them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_mtl import ops, reference, zoo
from edge_mtl.bundle import Bundle
from edge_mtl.placement import Placement
from edge_mtl.runtime.engines import open_engine

DATA = Path(os.environ.get("EDGE_MTL_DATA", Path(__file__).resolve().parents[2] / "shared/data"))
CLIP = DATA / "clips/highway.mp4"
FRAME_SIZE = 1280, 720

Drive = Literal["rendered", "real"]
"""A rendered drive, which everybody has, or the dash-cam clip under `DATA`."""


@cache
def rendered_frames() -> list[NDArray[np.uint8]]:
    """Nine 1280x720 frames, three of each of three clips."""
    from edge_mtl.data.rendered import RenderedScenes

    scenes = RenderedScenes(3 * 90, size=FRAME_SIZE)
    return [scenes.image(90 * clip + frame) for clip in range(3) for frame in (15, 45, 75)]


def _frames(drive: Drive) -> Iterator[NDArray[np.uint8]]:
    if drive == "rendered":
        yield from rendered_frames()
        return
    from edge_mtl.data.video import Video

    if not CLIP.is_file():
        pytest.skip("needs clips/highway.mp4 under EDGE_MTL_DATA or ../shared/data")
    video = Video(CLIP)
    for i in range(9):
        yield video[i * len(video) // 9].image


@cache
def typical_logits(drive: Drive) -> NDArray[np.float32]:
    """(12, 96, 160): of nine frames, those of the one whose share of mixed squares is the median.

    Skips the test that asks where the drive or ONNX Runtime is missing.
    """
    pytest.importorskip("onnxruntime", reason="ONNX Runtime, of the extra cpu, makes the logits")
    found = sorted(_logits(drive), key=mixed_share)
    return found[len(found) // 2]


def _logits(drive: Drive) -> Iterator[NDArray[np.float32]]:
    bundle = Bundle.open(zoo.locate("driving-s", ".emtl"))
    engine = open_engine("onnxruntime", bundle, threads=2)
    [tensor] = [each for each in engine.output_tensors if each.name == "segmentation"]
    preprocess = ops.Preprocessor(bundle.spec.input, engine.input_tensor)
    for frame in _frames(drive):
        height, width = frame.shape[:2]
        placement = Placement.fit((width, height), bundle.spec.input)
        preprocess([frame], [placement], engine.image)
        engine.infer()
        fine = reference.dequantise(tensor, engine.outputs[tensor.name])[0]
        classes, rows, columns = fine.shape
        logits = fine.reshape(classes, rows // 2, 2, columns // 2, 2).mean((2, 4))
        yield np.concatenate([logits, logits.min(0, keepdims=True) - 1])
    engine.close()


def mixed_squares(logits: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(h - 1, w - 1): whether the winners at the corners of a square of four logits differ."""
    winners = logits.argmax(0)
    first = winners[:-1, :-1]
    others = (winners[:-1, 1:], winners[1:, :-1], winners[1:, 1:])
    return np.asarray(np.any([first != other for other in others], axis=0))


def mixed_share(logits: NDArray[np.float32]) -> float:
    """The share of the squares whose pixels have to be computed one by one."""
    return float(mixed_squares(logits).mean())
