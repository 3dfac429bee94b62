"""The compiled kernels (kernels/bindings.cpp); `edge_mtl.ops` is their face."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

# dtype, (channels, height, width), scale, zero point
_Tensor: TypeAlias = tuple[str, tuple[int, int, int], float, int]
# stride, and its two tensors: scores and boxes, or points and visible logits
_Level: TypeAlias = tuple[int, _Tensor, _Tensor]
# frame width and height; x, y, width, height of its rectangle in the network's input
_Placement: TypeAlias = tuple[int, int, int, int, int, int]

def instruction_set() -> str: ...

class Preprocessor:
    def __init__(
        self,
        width: int,
        height: int,
        batch: int,
        pad: int,
        table: NDArray[Any],
        lines: Sequence[tuple[float, float]],
        threads: int,
    ) -> None: ...
    def __call__(
        self,
        frames: Sequence[NDArray[np.uint8]],
        placements: Sequence[_Placement],
        out: NDArray[Any],
    ) -> None: ...

class FusedHead:
    def __init__(
        self, network_width: int, network_height: int, batch: int, threads: int
    ) -> None: ...
    def add_segmentation(self, logits: _Tensor, binary: bool) -> None: ...
    def add_detection(
        self,
        levels: Sequence[_Level],
        bins: int,
        min_logit: float,
        iou_threshold: float,
        max_boxes: int,
        max_candidates: int,
    ) -> None: ...
    def add_decoded_detection(
        self,
        candidates: _Tensor,
        channels_last: bool,
        by_centre: bool,
        objectness: bool,
        min_score: float,
        iou_threshold: float,
        max_boxes: int,
        max_candidates: int,
    ) -> None: ...
    def add_pose(
        self, detection: int, class_ids: Sequence[int], levels: Sequence[_Level]
    ) -> None: ...
    def add_classification(self, logits: _Tensor, multi_label: bool) -> None: ...
    def __call__(
        self,
        raw: Sequence[NDArray[Any]],
        placements: Sequence[_Placement],
        masks: Sequence[Sequence[NDArray[np.uint8]]],
        boxes: Sequence[tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int32]]],
        poses: Sequence[tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]]],
        class_scores: Sequence[NDArray[np.float32]],
    ) -> tuple[list[list[int]], list[list[int]]]: ...
