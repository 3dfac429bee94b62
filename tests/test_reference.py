"""The twins against independent oracles, and against answers worked out by hand."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_mtl import reference
from edge_mtl.placement import Placement
from edge_mtl.spec import DetectionTask, InputSpec, TensorSpec

RGB = InputSpec(width=64, height=32, mean=(0, 0, 0), std=(1 / 255, 1 / 255, 1 / 255), pad=9)
FLOAT = TensorSpec("image", (1, 3, 32, 64))


def frame_of(width: int, height: int) -> NDArray[np.uint8]:
    return np.random.default_rng(width).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("size", [(64, 32), (71, 53), (200, 101), (13, 9), (1, 1), (1, 40)])
def test_preprocess_resizes_like_opencv(size: tuple[int, int]):
    cv2 = pytest.importorskip("cv2", reason="OpenCV is the oracle")
    frame = frame_of(*size)
    placement = Placement.fit(size, RGB)
    pixels = reference.preprocess(frame, placement, RGB, FLOAT)[0]
    x, y, width, height = placement.x, placement.y, placement.width, placement.height

    resized = cv2.resize(frame, (width, height), interpolation=cv2.INTER_LINEAR)
    expected = resized[:, :, ::-1].transpose(2, 0, 1)
    inside = pixels[:, y : y + height, x : x + width]
    assert np.abs(inside - expected).max() <= 1  # OpenCV rounds once more in between
    padding = np.ones((32, 64), bool)
    padding[y : y + height, x : x + width] = False
    np.testing.assert_allclose(pixels[:, padding], 9, rtol=1e-6)


def test_preprocess_of_the_same_size_changes_no_pixel():
    frame = frame_of(64, 32)
    pixels = reference.preprocess(frame, Placement((64, 32), 0, 0, 64, 32), RGB, FLOAT)
    np.testing.assert_allclose(pixels[0], frame[:, :, ::-1].transpose(2, 0, 1), atol=1e-4)


def test_pixels_are_normalised_and_quantised_as_onnx_does():
    network_input = InputSpec(width=64, height=32)
    np.testing.assert_allclose(
        network_input.normalization()[:, [0, 255]],
        [[-2.117904, 2.248908], [-2.035714, 2.428571], [-1.804444, 2.64]],
        rtol=1e-6,
    )
    grey = InputSpec(width=64, height=32, mean=(0, 0, 0), std=(1, 1, 1))
    # 51 / 255 = 0.2: steps 0.5 and 1.5 go to the even neighbour, 250 / 255 saturates
    signed = reference.pixel_table(grey, TensorSpec("image", (1, 3, 32, 64), "int8", 0.4, -3))
    assert signed.dtype == np.int8
    assert signed[0, [0, 51, 153, 255]].tolist() == [-3, -3, -1, -1]
    unsigned = reference.pixel_table(grey, TensorSpec("image", (1, 3, 32, 64), "uint8", 0.001, 5))
    assert unsigned[2, [0, 51, 250]].tolist() == [5, 205, 255]


@pytest.mark.parametrize("dtype", ["float32", "uint8", "int8"])
@pytest.mark.parametrize(
    ("grid", "mask_size"), [((9, 13), (104, 72)), ((8, 16), (50, 31)), ((20, 24), (11, 7))]
)
def test_segmentation_is_torchs_interpolation_and_argmax(
    dtype: str, grid: tuple[int, int], mask_size: tuple[int, int]
):
    torch = pytest.importorskip("torch", reason="torch is the oracle")
    rng = np.random.default_rng(5)
    logits = rng.integers(0, 120, (6, *grid)).astype(dtype)
    if dtype == "float32":
        logits += rng.random(logits.shape, np.float32)
    width, height = mask_size
    placement = Placement(mask_size, 0, 0, 64, 32)
    labels = reference.segment(logits, placement, (64, 32), mask_size)

    values = torch.from_numpy(logits.astype(np.float64))[None]
    full = torch.nn.functional.interpolate(values, (height, width), mode="bilinear")[0].numpy()
    # Positions are rounded to 1/2048 of a cell: only near-ties may differ.
    best, second = np.sort(full, axis=0)[[-1, -2]]
    clear = best - second > 120 / 1000
    assert clear.mean() > 0.9
    np.testing.assert_array_equal(labels[clear], full.argmax(0)[clear])


def test_masks_undo_the_letterbox():
    """A frame at twice its placed size, beside padding, sees only its own part of the logits."""
    logits = np.random.default_rng(1).normal(size=(4, 8, 16)).astype(np.float32)
    placement = Placement((96, 64), 8, 0, 48, 32)
    whole = reference.segment(logits, Placement((128, 64), 0, 0, 64, 32), (64, 32), (128, 64))
    at_frame = reference.segment(logits, placement, (64, 32), (96, 64))
    np.testing.assert_array_equal(at_frame, whole[:, 16:112])
    whole = reference.segment(logits, Placement((64, 32), 0, 0, 64, 32), (64, 32), (64, 32))
    at_network = reference.segment(logits, placement, (64, 32), (48, 32))
    np.testing.assert_array_equal(at_network, whole[:, 8:56])


def labels_of(*classes: list[float]) -> list[int]:
    """The labels of a row of two cells, at four pixels, given each class's two logits."""
    logits = np.array(classes, np.float32)[:, None, :]
    return reference.segment(logits, Placement((4, 1), 0, 0, 4, 1), (4, 1), (4, 1))[0].tolist()


def test_the_first_of_equal_classes_wins():
    assert labels_of([1, 1], [1, 1], [0, 0]) == [0, 0, 0, 0]
    assert labels_of([0, 0], [1, 1], [1, 1]) == [1, 1, 1, 1]


def test_nan_never_wins_and_infinity_does_not_spoil_its_neighbours():
    nan, inf = np.nan, np.inf
    assert labels_of([nan, nan], [-5, -5]) == [1, 1, 1, 1]
    assert labels_of([nan, 2], [0, 0]) == [1, 1, 1, 0]
    assert labels_of([nan, nan], [nan, nan]) == [0, 0, 0, 0]
    assert labels_of([0, 0], [inf, inf], [nan, 1]) == [1, 1, 1, 1]
    assert labels_of([0, 0], [-inf, 1]) == [0, 0, 0, 1]
    assert labels_of([-inf, inf], [inf, -inf]) == [1, 1, 0, 0]


def test_one_class_and_one_cell():
    one = np.zeros((1, 1, 1), np.uint8)
    assert not reference.segment(one, Placement((3, 2), 0, 0, 5, 4), (5, 4), (3, 2)).any()
    two = np.array([3, 4], np.int8).reshape(2, 1, 1)
    assert (reference.segment(two, Placement((3, 2), 0, 0, 5, 4), (5, 4), (3, 2)) == 1).all()


TASK = DetectionTask(
    name="things", classes=("car", "sign"), strides=(8,), score_threshold=0.5, iou_threshold=0.5
)


def detect(
    task: DetectionTask,
    cells: dict[tuple[int, int], tuple[list[float], list[float]]],
    placement: Placement,
    **quantisation: Any,
) -> reference.Detections:
    """Boxes from the (row, column): (logits, distances) of a 4x8 grid; other cells are silent."""
    scores = np.full((1, 2, 4, 8), -9, quantisation.get("dtype", np.float32))
    distances = np.zeros((1, 4, 4, 8), scores.dtype)
    for (row, column), (logits, sides) in cells.items():
        scores[0, :, row, column] = logits
        distances[0, :, row, column] = sides
    raw = {"things_scores_8": scores, "things_boxes_8": distances}
    tensors = {name: TensorSpec(name, v.shape, **quantisation) for name, v in raw.items()}
    return reference.detect(task, tensors, raw, placement)


SAME = Placement((64, 32), 0, 0, 64, 32)


def test_boxes_are_decoded_into_the_frame():
    # The centre of cell (1, 2) is (20, 12) in a 64x32 input; the frame has twice the size of its
    # place at (8, 4).
    placement = Placement((96, 48), 8, 4, 48, 24)
    found = detect(TASK, {(1, 2): ([2.0, 1.0], [0.5, 0.25, 1.0, -3.0])}, placement)
    np.testing.assert_array_equal(found.boxes, [[(16 - 8) * 2, (10 - 4) * 2, 40, 16]])
    np.testing.assert_allclose(found.scores, [1 / (1 + np.exp(-2))], rtol=1e-6)
    assert found.class_ids.tolist() == [0]


def test_quantised_boxes_are_dequantised():
    cells = {(1, 2): ([0.0, 14.0], [6, 6, 14, 10])}  # logits -2 and 5, distances 1 1 5 3
    found = detect(TASK, cells, SAME, dtype="int8", scale=0.5, zero_point=4)
    np.testing.assert_array_equal(found.boxes, [[12, 4, 60, 32]])
    np.testing.assert_allclose(found.scores, [1 / (1 + np.exp(-5))], rtol=1e-6)
    assert found.class_ids.tolist() == [1]


def test_boxes_are_clipped_and_what_is_left_of_them_must_be_a_box():
    cells = {
        (0, 0): ([9, 0], [3, 3, 1, 1]),  # over the corner
        (0, 1): ([8, 0], [0, 1, 0, 1]),  # no width
        (0, 2): ([7, 0], [1, np.nan, 1, 1]),
        (0, 3): ([6, 0], [1, 1, np.inf, 1]),
        (0, 7): ([5, 0], [-np.inf, 1, 1, 1]),  # below zero counts as zero
        (2, 2): ([np.nan, np.nan], [1, 1, 1, 1]),
        (2, 3): ([np.nan, 4], [1, 1, 1, 1]),
    }
    found = detect(TASK, cells, SAME)
    np.testing.assert_array_equal(found.boxes, [[0, 0, 12, 12], [60, 0, 64, 12], [20, 12, 36, 28]])
    assert found.class_ids.tolist() == [0, 0, 1]
    aside = Placement((64, 32), 32, 0, 32, 16)  # the first cells lie in the padding
    assert len(detect(TASK, {(0, 0): ([9, 0], [1, 1, 1, 1])}, aside)) == 0


def test_suppression_worked_out_by_hand():
    cells = {
        (1, 1): ([3, 0], [1, 1, 1, 1]),  # 4 4 20 20, the best car
        (1, 2): ([2, 0], [1.5, 1, 0.5, 1]),  # 8 4 24 20: IoU 192 / 320 = 0.6 with the first
        (1, 3): ([0, 1], [2.5, 1, -1, 1]),  # 8 4 28 20, a sign: IoU 192 / 384 with the first
        (1, 4): ([1.5, 0], [2.5, 1, -1, 1]),  # 16 4 36 20: IoU 64 / 512 with the first
        (2, 4): ([1.5, 0], [2.5, 2, -1, 0]),  # the same box and logit, in a later cell
    }
    found = detect(TASK, cells, SAME)
    np.testing.assert_array_equal(found.boxes, [[4, 4, 20, 20], [16, 4, 36, 20], [8, 4, 28, 20]])
    assert found.class_ids.tolist() == [0, 0, 1]
    assert (np.diff(found.scores) < 0).all()

    at_the_threshold = DetectionTask(
        name="things", classes=TASK.classes, strides=(8,), score_threshold=0.5, iou_threshold=0.6
    )
    assert len(detect(at_the_threshold, cells, SAME)) == 4  # only above it, and 0.6 is not


def test_score_threshold_is_exclusive_at_both_ends():
    def count(threshold: float, cells: dict[Any, Any]) -> int:
        task = DetectionTask(
            name="things", classes=TASK.classes, strides=(8,), score_threshold=threshold
        )
        return len(detect(task, cells, SAME))

    sure = {(1, 1): ([np.inf, 0], [1, 1, 1, 1])}
    even = {(1, 1): ([0, 0], [1, 1, 1, 1])}
    impossible = {(1, 1): ([-np.inf, -np.inf], [1, 1, 1, 1])}
    assert [count(threshold, sure) for threshold in (0.0, 0.5, 1.0)] == [1, 1, 0]
    assert [count(threshold, even) for threshold in (0.0, 0.49, 0.5, 1.0)] == [1, 1, 0, 0]
    assert count(0.0, impossible) == 0


def test_only_the_best_boxes_are_kept():
    rng = np.random.default_rng(2)
    cells = {
        (row, column): ([float(logit), 0], [0.4] * 4)
        for (row, column), logit in zip(np.ndindex(4, 8), 1 + rng.permutation(32), strict=True)
    }
    task = DetectionTask(name="things", classes=TASK.classes, strides=(8,), max_boxes=5)
    found = detect(task, cells, SAME)
    np.testing.assert_allclose(found.scores, 1 / (1 + np.exp(-np.arange(32.0, 27, -1))), rtol=1e-6)
