import numpy as np
import pytest

from edge_mtl.data.rendered.person import BAR, CRANK
from edge_mtl.data.rendered.skeleton import riding, walking
from edge_mtl.tasks import KEYPOINTS

PHASES = np.linspace(0.0, 2 * np.pi, 24)
WALK = walking(np.full(24, 1.75), PHASES, np.ones(24))
SEGMENTS = (
    ("left_hip", "left_knee"), ("right_knee", "right_ankle"), ("left_elbow", "left_wrist"),
    ("left_shoulder", "right_shoulder"),
)  # fmt: skip


def at(name: str, bodies: np.ndarray = WALK) -> np.ndarray:
    return bodies[:, KEYPOINTS.index(name)]


@pytest.mark.parametrize(("first", "second"), SEGMENTS)
def test_bones_keep_their_length(first: str, second: str) -> None:
    length = np.linalg.norm(at(first) - at(second), axis=1)
    np.testing.assert_allclose(length, length[0])


def test_proportions_are_human() -> None:
    assert WALK[:, :5, 1].max() == pytest.approx(1.64, abs=0.06)
    assert at("left_hip")[:, 1].mean() == pytest.approx(0.53 * 1.75, abs=0.05)
    assert (at("left_shoulder")[:, 0] < at("right_shoulder")[:, 0]).all()


def test_one_foot_is_always_on_the_ground() -> None:
    ankles = np.minimum(at("left_ankle")[:, 1], at("right_ankle")[:, 1])
    np.testing.assert_allclose(ankles, 0.039 * 1.75, atol=1e-6)


def test_legs_swing_in_turn_and_arms_against_them() -> None:
    legs = at("right_ankle")[:, 2] - at("left_ankle")[:, 2]
    arms = at("right_wrist")[:, 2] - at("left_wrist")[:, 2]
    assert legs.max() > 0.4
    assert legs.min() < -0.4
    assert np.corrcoef(legs, arms)[0, 1] < -0.9


def test_half_a_stride_later_left_and_right_have_changed_places() -> None:
    now, later = walking(np.full(2, 1.7), np.array([0.7, 0.7 + np.pi]), np.ones(2))
    mirrored = later[[0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]] * (-1, 1, 1)
    np.testing.assert_allclose(now, mirrored, atol=1e-9)


def test_who_stands_does_not_move_the_legs() -> None:
    still = walking(np.full(24, 1.75), PHASES, np.zeros(24))
    assert np.ptp(still[:, 13:], axis=0).max() == 0.0


def test_a_rider_holds_the_bar_and_turns_the_crank() -> None:
    phases = np.linspace(0, 2 * np.pi, 12)
    rides = np.stack([riding(1.75, phase, 0.93, BAR, CRANK) for phase in phases])
    hands = rides[:, [9, 10], 1:]
    np.testing.assert_allclose(hands, np.broadcast_to(BAR + np.array([0.03, 0.0]), hands.shape))
    feet = rides[:, [15, 16], 1]
    assert np.ptp(feet) > 0.25
    thigh = np.linalg.norm(rides[:, 11] - rides[:, 13], axis=1)
    np.testing.assert_allclose(thigh, 0.245 * 1.75)
