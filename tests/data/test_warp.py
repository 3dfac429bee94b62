import dataclasses

import numpy as np
import pytest

from edge_mtl.data.sample import IGNORE, Boxes, Sample
from edge_mtl.data.warp import fill_outside, warp
from edge_mtl.placement import Placement
from edge_mtl.spec import InputSpec
from edge_mtl.tasks import KEYPOINTS

IDENTITY = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])


def sample_of(boxes=(), keypoints=None, size=(100, 80)):
    return Sample(
        image=np.zeros((size[1], size[0], 3), np.uint8),
        name="made",
        masks={"segmentation": np.zeros((size[1], size[0]), np.uint8)},
        boxes=Boxes(np.array(boxes, np.float32).reshape(-1, 4), np.arange(len(boxes)), keypoints),
    )


def shift(x, y):
    return IDENTITY + np.array([[0.0, 0.0, x], [0.0, 0.0, y]])


@pytest.mark.parametrize(
    ("box", "matrix", "expected"),
    [
        ([10, 10, 30, 20], shift(5, -3), [15, 7, 35, 17]),
        ([10, 10, 30, 20], shift(-20, 0), [0, 10, 10, 20]),  # half of it remains
        ([10, 10, 30, 20], shift(-24, 0), [0, 10, 6, 20]),  # exactly 30 %
        ([10, 10, 30, 20], shift(-25, 0), None),  # a quarter
        ([10, 10, 16, 16], IDENTITY, [10, 10, 16, 16]),  # exactly 36 px
        ([10, 10, 16, 16], IDENTITY * 0.99, None),
        ([10, 10, 13, 30], IDENTITY, [10, 10, 13, 30]),  # thin, but 60 px
        ([10, 10, 30, 20], np.array([[0.0, -1, 50], [1, 0, 0]]), [30, 10, 40, 30]),  # turned
        ([10, 10, 30, 20], np.array([[-1.0, 0, 100], [0, 1, 0]]), [70, 10, 90, 20]),  # mirrored
    ],
)
def test_boxes_are_mapped_cut_and_dropped(box, matrix, expected):
    boxes = warp(sample_of([box]), matrix, (100, 80)).boxes
    found = boxes.corners.tolist()
    np.testing.assert_allclose(found, [] if expected is None else [expected], atol=1e-4)
    assert boxes.corners.dtype == np.float32


@pytest.mark.parametrize(
    ("area", "matrix", "expected"),
    [
        ([10, 10, 30, 20], shift(5, -3), [[15, 7, 35, 17]]),
        ([10, 10, 30, 20], shift(-29, 0), [[0, 10, 1, 20]]),  # however little remains
        ([10, 10, 30, 20], shift(-30, 0), []),
        ([10, 10, 30, 20], np.array([[0.0, -1, 50], [1, 0, 0]]), [[30, 10, 40, 30]]),  # turned
    ],
)
def test_ignored_areas_are_mapped_and_cut(area, matrix, expected):
    made = sample_of([[40, 40, 60, 60]])
    searched = np.array([True, False])
    boxes = Boxes(
        made.boxes.corners,
        made.boxes.class_ids,
        ignored=np.array([area], np.float32),
        searched=searched,
    )
    warped = warp(dataclasses.replace(made, boxes=boxes), matrix, (100, 80)).boxes
    np.testing.assert_allclose(warped.ignored, np.reshape(expected, (-1, 4)), atol=1e-4)
    assert warped.ignored.dtype == np.float32
    np.testing.assert_array_equal(warped.searched, searched)


def test_keypoints_leave_the_picture_unlabelled_and_swap_sides_when_mirrored():
    keypoints = np.zeros((1, len(KEYPOINTS), 3), np.float32)
    nose, left, right = (KEYPOINTS.index(n) for n in ("nose", "left_wrist", "right_wrist"))
    keypoints[0, nose] = 20, 15, 2
    keypoints[0, left] = 12, 15, 1
    keypoints[0, right] = 28, 15, 2
    made = sample_of([[10, 10, 30, 20]], keypoints)

    mirrored = warp(made, np.array([[-1.0, 0, 100], [0, 1, 0]]), (100, 80)).boxes.keypoints[0]
    assert mirrored[nose].tolist() == [80, 15, 2]
    assert mirrored[right].tolist() == [88, 15, 1]
    assert mirrored[left].tolist() == [72, 15, 2]

    cut = warp(made, shift(-13, 0), (100, 80)).boxes.keypoints[0]
    assert cut[left].tolist() == [0, 0, 0]
    assert cut[nose].tolist() == [7, 15, 2]
    # What was never labelled stays so, wherever the map takes its zeros.
    labelled = [nose, left, right]
    assert not np.delete(warp(made, shift(5, 5), (100, 80)).boxes.keypoints[0], labelled, 0).any()


def test_what_lies_outside_is_ignored_and_filled():
    warped = warp(sample_of(), shift(10, 20), (120, 90))
    inside = np.zeros((90, 120), bool)
    inside[20:, 10:110] = True
    np.testing.assert_array_equal(warped.masks["segmentation"] == IGNORE, ~inside)
    fill_outside(warped.image, (100, 80), shift(10, 20), 77)
    np.testing.assert_array_equal(warped.image == 77, np.repeat(~inside[:, :, None], 3, axis=2))


@pytest.mark.parametrize("source", [(160, 120), (120, 160), (333, 100), (64, 48), (1280, 720)])
def test_a_picture_on_padding_ends_where_the_runtime_puts_it(source):
    place = Placement.fit(source, InputSpec(width=192, height=128))
    scales = place.width / source[0], place.height / source[1]
    matrix = np.array([[scales[0], 0.0, place.x], [0.0, scales[1], place.y]])
    made = sample_of([[0, 0, *source]], size=source)
    made.image[:] = 200
    boxed = warp(made, matrix, (192, 128))
    fill_outside(boxed.image, source, matrix, 114)
    inside = np.zeros((128, 192), bool)
    inside[place.y : place.y + place.height, place.x : place.x + place.width] = True
    np.testing.assert_array_equal(boxed.masks["segmentation"] == 0, inside)
    assert (boxed.image[~inside] == 114).all()
    assert (boxed.image[inside] == 200).all()
    expected = [place.x, place.y, place.x + place.width, place.y + place.height]
    np.testing.assert_allclose(boxed.boxes.corners, [expected], atol=1e-3)


def test_shrinking_averages_where_bilinear_sampling_would_skip():
    stripes = np.zeros((240, 322, 3), np.uint8)
    stripes[:, ::4] = 240
    made = Sample(stripes, "stripes")
    small = warp(made, IDENTITY * 0.25, (80, 60)).image[:, 1:-1]
    assert abs(float(small.mean()) - 60) < 2
    assert small.max() - small.min() < 40


def test_shrinking_stays_in_place_where_the_size_is_no_multiple():
    image = np.zeros((203, 301, 3), np.uint8)
    image[90:120, 150:201] = 255
    small = warp(Sample(image, "block"), IDENTITY / 3, (101, 68)).image[:, :, 0] / 255.0
    ys, xs = np.mgrid[0:68, 0:101] + 0.5
    assert abs((xs * small).sum() / small.sum() - 175.5 / 3) < 0.05
    assert abs((ys * small).sum() / small.sum() - 105 / 3) < 0.05
    assert abs(small.sum() - 30 * 51 / 9) < 1
