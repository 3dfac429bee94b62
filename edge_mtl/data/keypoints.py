"""How exactly people place each keypoint: what object keypoint similarity is measured by."""

from __future__ import annotations

from collections.abc import Sequence

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
