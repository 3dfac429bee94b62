from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_mtl.scene import Poses
from edge_mtl.tasks import KEYPOINTS

pytest.importorskip("cv2", reason="OpenCV, of the extra cpu, is not installed")

from edge_mtl.runtime.stick_figure import draw_poses

# A person that faces us: their right is on our left.
STANDING = {
    "nose": (100, 40),
    "left_shoulder": (130, 80),
    "right_shoulder": (70, 80),
    "left_elbow": (150, 120),
    "left_wrist": (150, 160),
    "left_hip": (120, 160),
    "right_hip": (80, 160),
    "right_knee": (80, 210),
    "right_ankle": (80, 260),
}
WARM, COLD = (60, 165, 255), (255, 200, 40)


def poses_of(
    points: dict[str, tuple[float, float]], names: tuple[str, ...] = KEYPOINTS, scale: float = 1.0
) -> Poses:
    """One pose; what `points` does not name is at 5, 5 and hidden."""
    at = [points.get(name, (5 / scale, 5 / scale)) for name in names]
    scores = [0.9 if name in points else 0.4 for name in names]
    return Poses(
        names,
        np.zeros(1, np.int32),
        np.array([at], np.float32) * np.float32(scale),
        np.array([scores], np.float32),
    )


def drawn(poses: Poses, size: tuple[int, int] = (200, 300)) -> NDArray[np.uint8]:
    image = np.full((size[1], size[0], 3), 100, np.uint8)
    draw_poses(image, poses)
    return image


def changed(image: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return (image != 100).any(2)


def test_limbs_have_the_colour_of_their_side() -> None:
    image = drawn(poses_of(STANDING))
    np.testing.assert_array_equal(image[140, 149], WARM)  # the left forearm
    np.testing.assert_array_equal(image[185, 79], COLD)  # the right thigh
    shoulders = image[79, 100]
    assert shoulders.min() == shoulders.max() > 200


def test_hidden_keypoints_and_their_limbs_are_left_out() -> None:
    without_knee = {name: at for name, at in STANDING.items() if name != "right_knee"}
    image = drawn(poses_of(without_knee))
    assert not changed(image)[:30, :30].any()
    assert not changed(image)[170:250, 60:100].any()
    np.testing.assert_array_equal(image[259, 79], COLD)  # the ankle is there on its own
    assert not changed(drawn(poses_of({}))).any()


def test_keypoints_of_other_names_are_dots_alone() -> None:
    corners = {"front": (50.0, 50.0), "back": (150.0, 50.0), "left_top": (150.0, 200.0)}
    image = drawn(poses_of(corners, tuple(corners)))
    assert all(changed(image)[int(y) - 1, int(x) - 1] for x, y in corners.values())
    np.testing.assert_array_equal(image[199, 149], WARM)
    assert not changed(image)[:, 60:140].any()
    assert not changed(image)[60:190].any()


def test_lines_grow_with_the_pose_and_small_ones_have_no_dark_edge() -> None:
    def width_of_thigh(scale: float) -> int:
        size = int(200 * scale), int(300 * scale)
        return int(changed(drawn(poses_of(STANDING, scale=scale), size))[int(185 * scale)].sum())

    assert width_of_thigh(4) > width_of_thigh(1)
    tiny = drawn(poses_of(STANDING, scale=0.2), (40, 60))
    assert changed(tiny).any()
    assert tiny.min() >= 40
    assert drawn(poses_of(STANDING)).min() < 40


@pytest.mark.parametrize("far", [1e5, 1e30, -3e38])
def test_a_limb_may_leave_the_picture(far: float) -> None:
    image = drawn(poses_of({"left_elbow": (100, 150), "left_wrist": (far, 150)}))
    outward = image[149, 150] if far > 0 else image[149, 50]
    np.testing.assert_array_equal(outward, WARM)
