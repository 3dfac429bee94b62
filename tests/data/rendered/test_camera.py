import numpy as np
import pytest

from edge_mtl.data.rendered.camera import NEAR_M, Camera, Road, clip_near

CAMERA = Camera(
    x=1.5, z=20.0, height=1.4, yaw=0.1, pitch=-0.03, focal=560.0, width=640, height_px=384
)


@pytest.mark.parametrize("curvature", [0.0, 1 / 150, -1 / 220])
def test_place_is_the_inverse_of_world(curvature: float) -> None:
    road = Road(curvature)
    s, d = np.meshgrid(np.linspace(-5, 150, 30), np.linspace(-18, 18, 11))
    x, z = road.world(s, d)
    back_s, back_d = road.place(x.astype(np.float32), z.astype(np.float32))
    np.testing.assert_allclose(back_s, s, atol=2e-3)
    np.testing.assert_allclose(back_d, d, atol=2e-3)


def test_a_bend_to_the_right_leads_to_the_right() -> None:
    x, _ = Road(1 / 200).world(np.array(80.0), np.array(0.0))
    assert x > 10.0
    assert Road(1 / 200).heading(80.0) == pytest.approx(0.4)


def test_what_is_ahead_right_and_low_is_right_and_low_in_the_image() -> None:
    level = Camera(0.0, 0.0, 1.4, 0.0, 0.0, 500.0, 640, 384)
    u, v, depth = level.spot(2.0, 0.4, 10.0)
    assert (u, v, depth) == pytest.approx((320 + 100, 192 + 50, 10.0))


def test_spot_agrees_with_view_and_image() -> None:
    points = np.array([[3.0, 0.5, 40.0], [-4.0, 2.0, 33.0]])
    viewed = CAMERA.view(points)
    expected = np.column_stack([CAMERA.image(viewed), viewed[:, 2]])
    spots = [CAMERA.spot(*point) for point in points.tolist()]
    np.testing.assert_allclose(spots, expected)


def test_looking_down_moves_the_horizon_up() -> None:
    assert CAMERA.horizon < CAMERA.height_px / 2


@pytest.mark.parametrize("curvature", [0.0, 1 / 180])
def test_ground_maps_every_pixel_to_the_place_that_projects_there(curvature: float) -> None:
    road = Road(curvature)
    first = int(CAMERA.horizon) + 4
    s, d, depth = CAMERA.ground(first, road)
    assert s.shape == d.shape == (CAMERA.height_px - first, CAMERA.width)
    assert (np.diff(depth) < 0).all()
    for row, column in ((300, 10), (383, 639), (250, 320)):
        at = row - first, column
        x, z = road.world(np.array(float(s[at])), np.array(float(d[at])))
        u, v, forward = CAMERA.spot(float(x), 0.0, float(z))
        assert (u, v) == pytest.approx((column + 0.5, row + 0.5), abs=0.1)
        assert forward == pytest.approx(depth[row - first], rel=1e-3)


def test_clip_near_keeps_what_is_in_front() -> None:
    square = np.array([[-1.0, 0, -2], [1.0, 0, -2], [1.0, 0, 6], [-1.0, 0, 6]])
    farther = np.array([0.0, 0.0, 10.0])
    part = clip_near(square)
    assert part[:, 2].min() == pytest.approx(NEAR_M)
    assert part[:, 2].max() == 6.0
    assert len(clip_near(square - farther)) == 0
    np.testing.assert_array_equal(clip_near(square + farther), square + farther)
