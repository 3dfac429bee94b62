"""What is known of the keypoints of people: how exactly they are placed, and their mirror image."""

from __future__ import annotations

from collections.abc import Sequence

from edge_mtl.tasks import KEYPOINTS

_SIGMAS = {
    "nose": 0.026,
    "eye": 0.025,
    "ear": 0.035,
    "shoulder": 0.079,
    "elbow": 0.072,
    "wrist": 0.062,
    "hip": 0.107,
    "knee": 0.087,
    "ankle": 0.089,
}
_OTHER = 0.08  # of a keypoint that COCO does not have: amid those of the limbs


def oks_sigmas(names: Sequence[str]) -> tuple[float, ...]:
    """COCO's standard deviation of annotators, by keypoint, in sides of the object (the square
    root of its area); see https://cocodataset.org/#keypoints-eval. Others count 0.08."""
    return tuple(
        _SIGMAS.get(name.removeprefix("left_").removeprefix("right_"), _OTHER) for name in names
    )


def _other_side(name: str) -> str:
    if name.startswith("left_"):
        return name.replace("left_", "right_")
    return name.replace("right_", "left_")


MIRRORED = [KEYPOINTS.index(_other_side(name)) for name in KEYPOINTS]
"""By keypoint of `KEYPOINTS`, the one that a mirrored person has in its place."""
