"""What a head says about one frame, and how far two of them are apart."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge_mtl.placement import Placement
from edge_mtl.reference.taps import linear_taps
from edge_mtl.scene import Scene


class HeadResult(NamedTuple):
    """The results of one segmentation, one detection and one pose task.

    labels: (H, W) uint8. boxes: (N, 4), x1 y1 x2 y2 in pixels of the frame, in any order; scores
    and class_ids: (N,). rows: (P,), the boxes that have keypoints; points: (P, K, 2) in pixels of
    the frame; visible: (P, K), scores.
    """

    labels: NDArray[np.uint8]
    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    class_ids: NDArray[Any]
    rows: NDArray[Any]
    points: NDArray[np.float32]
    visible: NDArray[np.float32]

    @classmethod
    def of(cls, scene: Scene) -> HeadResult:
        [mask] = scene.masks.values()
        [found] = scene.detections.values()
        [poses] = scene.poses.values()
        return cls(
            mask.labels,
            found.boxes,
            found.scores,
            found.class_ids,
            poses.rows,
            poses.points,
            poses.scores,
        )


@dataclass(frozen=True)
class Difference:
    """How far two results are apart.

    pixels: the share of the masks' pixels that differ.
    tie: how far, among these pixels, one's class is at most above the other's, in logits.
    boxes_px, points_px: the largest difference of a side of a box and of a keypoint.
    scores: the largest difference of a score, of boxes and keypoints.
    same_set: the same boxes were kept, and those of the same boxes have keypoints. Where this does
        not hold, the differences of boxes, points and scores are infinite.
    """

    pixels: float
    tie: float
    boxes_px: float
    points_px: float
    scores: float
    same_set: bool

    def worst(self, other: Difference) -> Difference:
        """The larger of both, value by value."""
        return Difference(
            max(self.pixels, other.pixels),
            max(self.tie, other.tie),
            max(self.boxes_px, other.boxes_px),
            max(self.points_px, other.points_px),
            max(self.scores, other.scores),
            self.same_set and other.same_set,
        )

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def difference(
    a: HeadResult,
    b: HeadResult,
    logits: NDArray[np.float32],
    placement: Placement,
    network_size: tuple[int, int],
) -> Difference:
    """logits: (C, h, w), by which a pixel's classes are compared."""
    tie = _largest_margin(a.labels, b.labels, logits, placement, network_size)
    pixels = float((a.labels != b.labels).mean())
    twins = _same_boxes(a, b)
    if twins is None:
        infinite = float("inf")
        return Difference(pixels, tie, infinite, infinite, infinite, False)
    order = np.argsort(twins[a.rows])  # a.rows name the boxes of `a`, b.rows those of `b`
    order_b = np.argsort(b.rows)
    of_poses = (a.points[order], b.points[order_b]), (a.visible[order], b.visible[order_b])
    points_px, visible = (_largest(x, y) for x, y in of_poses)
    scores = _largest(a.scores, b.scores[twins])
    boxes_px = _largest(a.boxes, b.boxes[twins])
    return Difference(pixels, tie, boxes_px, points_px, max(scores, visible), True)


def _same_boxes(a: HeadResult, b: HeadResult) -> NDArray[np.int64] | None:
    """(N,): which box of `b` each one of `a` is; None where they are not the same boxes."""
    if len(a.boxes) != len(b.boxes) or len(a.rows) != len(b.rows):
        return None
    apart = np.abs(a.boxes[:, None] - b.boxes[None]).max(2)
    apart[a.class_ids[:, None] != b.class_ids[None]] = np.inf
    twins: NDArray[np.int64] = apart.argmin(1)
    sides = (a.boxes[:, 2:] - a.boxes[:, :2]).min(1)
    near = apart[np.arange(len(twins)), twins] < sides / 4
    one_to_one = len(set(twins.tolist())) == len(twins)
    if not (near.all() and one_to_one and set(twins[a.rows]) == set(b.rows.tolist())):
        return None
    return twins


def _largest(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    return float(np.abs(a - b).max(initial=0.0))


def _largest_margin(
    a: NDArray[np.uint8],
    b: NDArray[np.uint8],
    logits: NDArray[np.float32],
    placement: Placement,
    network_size: tuple[int, int],
) -> float:
    """Between the classes of the pixels where `a` and `b` differ, in logits that are blended in
    double precision."""
    y, x = np.nonzero(a != b)
    axes = (
        (y, placement.y, placement.height, network_size[1]),
        (x, placement.x, placement.width, network_size[0]),
    )
    rows, columns = (
        linear_taps(extent, start, of_frame, whole, cells)
        for extent, (_, start, of_frame, whole), cells in zip(
            a.shape, axes, logits.shape[1:], strict=True
        )
    )
    down, right = rows.weight[y] / rows.one, columns.weight[x] / columns.one
    classes = a[y, x], b[y, x]
    margin = np.zeros(len(y))
    for row, weight_y in ((rows.lower[y], 1 - down), (rows.upper[y], down)):
        for column, weight_x in ((columns.lower[x], 1 - right), (columns.upper[x], right)):
            first, second = (logits[each, row, column].astype(np.float64) for each in classes)
            margin += weight_y * weight_x * (first - second)
    return float(np.abs(margin).max(initial=0.0))
