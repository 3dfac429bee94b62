"""What the compiled kernels refuse before they follow a pointer."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_mtl import ops
from edge_mtl.placement import Placement
from edge_mtl.spec import InputSpec, TensorSpec

_kernels = pytest.importorskip("edge_mtl._kernels", reason="the compiled kernels are not built")


def unaligned(shape: tuple[int, ...]) -> NDArray[np.float32]:
    return np.zeros(4 * int(np.prod(shape)) + 1, np.uint8)[1:].view(np.float32).reshape(shape)


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    array.flags.writeable = False
    return array


FRAME = np.zeros((48, 64, 3), np.uint8)
PLACEMENT = Placement((64, 48), 0, 0, 32, 24)
OUT = np.zeros((1, 3, 32, 32), np.float32)


@pytest.mark.parametrize(
    ("frame", "placement", "out", "error", "message"),
    [
        (None, PLACEMENT, OUT, TypeError, "frame must be a NumPy array of uint8.*NoneType"),
        (FRAME.tolist(), PLACEMENT, OUT, TypeError, "frame must be a NumPy array"),
        (FRAME.astype(np.float32), PLACEMENT, OUT, TypeError, "dtype uint8, found float32"),
        (FRAME.astype(np.int8), PLACEMENT, OUT, TypeError, "dtype uint8, found int8"),
        (FRAME[..., 0], PLACEMENT, OUT, ValueError, r"shape \(48, 64, 3\).*found \(48, 64\)"),
        (FRAME[:47], PLACEMENT, OUT, ValueError, r"shape \(48, 64, 3\).*found \(47, 64, 3\)"),
        (FRAME[:0], PLACEMENT, OUT, ValueError, "shape"),
        (FRAME[..., ::-1], PLACEMENT, OUT, ValueError, "contiguous"),
        (FRAME[:, ::-1], PLACEMENT, OUT, ValueError, "contiguous"),
        (FRAME, PLACEMENT, OUT.tolist(), TypeError, "out must be a writable NumPy array"),
        (FRAME, PLACEMENT, read_only(OUT.copy()), TypeError, "out must be a writable"),
        (FRAME, PLACEMENT, OUT.astype(np.float64), TypeError, "dtype float32, found float64"),
        (FRAME, PLACEMENT, OUT.astype(np.uint8), TypeError, "dtype float32, found uint8"),
        (FRAME, PLACEMENT, OUT[0], ValueError, r"shape \(1, 3, 32, 32\), found \(3, 32, 32\)"),
        (FRAME, PLACEMENT, OUT[..., ::-1], ValueError, "out must be C-contiguous"),
        (FRAME, PLACEMENT, unaligned(OUT.shape), ValueError, "aligned"),
        (FRAME[:0], Placement((64, 0), 0, 0, 32, 24), OUT, ValueError, "frame's height"),
        (FRAME, Placement((64, 48), 0, 0, 0, 24), OUT, ValueError, "placement must lie in"),
        (FRAME, Placement((64, 48), 1, 0, 32, 24), OUT, ValueError, "placement must lie in"),
        (FRAME, Placement((64, 48), 0, -1, 32, 24), OUT, ValueError, "placement must lie in"),
        (FRAME, Placement((64, 48), 0, 9, 32, 24), OUT, ValueError, "placement must lie in"),
    ],
)
def test_preprocess_refuses(
    frame: Any, placement: Placement, out: Any, error: type[Exception], message: str
):
    preprocess = ops.Preprocessor(
        InputSpec(width=32, height=32), TensorSpec("image", (1, 3, 32, 32))
    )
    with pytest.raises(error, match=message):
        preprocess([frame], [placement], out)


SCORES = np.zeros((1, 2, 4, 6), np.float32)
DISTANCES = np.zeros((1, 4, 4, 6), np.int8)
MASK = np.zeros((8, 9), np.uint8)
PLACED = 64, 48, 0, 0, 32, 24
BOXES = np.zeros((1, 5, 4), np.float32), np.zeros((1, 5), np.float32), np.zeros((1, 5), np.int32)
POINTS, VISIBLE = np.zeros((1, 6, 4, 6), np.uint8), np.zeros((1, 3, 4, 6), np.float32)
POSES = (
    np.zeros((1, 5), np.int32),
    np.zeros((1, 5, 3, 2), np.float32),
    np.zeros((1, 5, 3), np.float32),
)
LOGITS, CLASS_SCORES = np.zeros((1, 7, 1, 1), np.float32), np.zeros((1, 7), np.float32)
RAW = [SCORES, SCORES, DISTANCES, POINTS, VISIBLE, LOGITS]


def replaced(index: int, array: Any) -> list[Any]:
    return [array if i == index else each for i, each in enumerate(RAW)]


def described(array: NDArray[Any]) -> tuple[str, tuple[int, ...], float, int]:
    return str(array.dtype), array.shape[1:], 0.1, 0


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"raw": RAW[:2]}, ValueError, "expected 6 raw outputs, found 2"),
        ({"raw": replaced(1, None)}, TypeError, "raw output 1 must be a NumPy array"),
        ({"raw": replaced(2, SCORES)}, TypeError, "raw output 2 .*int8, found float32"),
        ({"raw": replaced(1, SCORES[0])}, ValueError, r"found \(2, 4, 6\)"),
        ({"raw": replaced(0, SCORES[:, :0])}, ValueError, r"found \(1, 0, 4, 6\)"),
        ({"raw": replaced(0, SCORES[..., ::-1])}, ValueError, "C-contiguous"),
        ({"raw": replaced(3, POINTS[:, :3])}, ValueError, r"\(1, 6, 4, 6\), found \(1, 3, 4, 6\)"),
        ({"raw": replaced(4, POINTS[:, :3])}, TypeError, "raw output 4 .*float32, found uint8"),
        ({"raw": replaced(5, LOGITS[0])}, ValueError, r"\(1, 7, 1, 1\), found \(7, 1, 1\)"),
        ({"masks": []}, ValueError, "every frame needs its masks"),
        ({"masks": [[]]}, ValueError, "every segmentation needs a mask, found 0"),
        ({"masks": [[MASK], [MASK]]}, ValueError, "every frame needs its masks"),
        ({"masks": [[MASK.astype(bool)]]}, TypeError, "mask must have dtype uint8, found bool"),
        ({"masks": [[MASK[None]]]}, ValueError, r"mask must have shape \(H, W\)"),
        ({"masks": [[MASK[:0]]]}, ValueError, r"mask must have shape \(H, W\)"),
        ({"masks": [[MASK[:, ::2]]]}, ValueError, "mask must be C-contiguous"),
        ({"masks": [[read_only(MASK.copy())]]}, TypeError, "mask must be a writable"),
        ({"boxes": []}, ValueError, "every other task its outputs"),
        (
            {"boxes": [(BOXES[0][:, :4], *BOXES[1:])]},
            ValueError,
            r"boxes must have shape \(1, 5, 4\)",
        ),
        ({"boxes": [(*BOXES[:2], BOXES[1])]}, TypeError, "class_ids must have dtype int32"),
        ({"poses": []}, ValueError, "every other task its outputs"),
        ({"poses": [(POSES[0][:, :4], *POSES[1:])]}, ValueError, r"rows must have shape \(1, 5\)"),
        ({"poses": [(POSES[0], POSES[2], POSES[2])]}, ValueError, r"points .*shape \(1, 5, 3, 2\)"),
        ({"poses": [(*POSES[:2], POSES[1])]}, ValueError, r"scores must have shape \(1, 5, 3\)"),
        ({"class_scores": [CLASS_SCORES] * 2}, ValueError, "every other task its outputs"),
        (
            {"class_scores": [CLASS_SCORES[:, :6]]},
            ValueError,
            r"class_scores must have shape \(1, 7\)",
        ),
        ({"placements": [(64, 48, 0, 0, 33, 24)]}, ValueError, "placement must lie in"),
        ({"placements": []}, ValueError, "placements of 1 to 1 frames, found 0"),
        ({"placements": [PLACED] * 2}, ValueError, "placements of 1 to 1 frames, found 2"),
    ],
)
def test_fused_head_refuses(change: dict[str, Any], error: type[Exception], message: str):
    head = _kernels.FusedHead(32, 24, 1, 1)
    head.add_segmentation(described(SCORES), False)
    head.add_detection([(8, described(SCORES), described(DISTANCES))], 0, 0.0, 0.5, 5, 1000)
    head.add_pose(0, [1], [(8, described(POINTS), described(VISIBLE))])
    head.add_classification(described(LOGITS), False)
    arguments: dict[str, Any] = {
        "raw": RAW,
        "placements": [PLACED],
        "masks": [[MASK]],
        "boxes": [BOXES],
        "poses": [POSES],
        "class_scores": [CLASS_SCORES],
    }
    assert head(**arguments) == ([[0]], [[0]])
    with pytest.raises(error, match=message):
        head(**arguments | change)


LEVEL = 8, described(SCORES), described(DISTANCES)


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        ([(8, described(SCORES), described(SCORES))], "boxes must have 4 channels"),
        ([(8, described(SCORES), described(DISTANCES[:, :, 1:]))], "the size of its scores"),
        ([LEVEL, (16, described(VISIBLE), described(DISTANCES))], "a score for each class"),
        ([(8, ("float64", (2, 4, 6), 1.0, 0), described(DISTANCES))], "found float64"),
        ([(8, ("int8", (0, 4, 6), 1.0, 0), described(DISTANCES))], "number of channels"),
    ],
)
def test_add_detection_refuses(levels: list[Any], message: str):
    with pytest.raises(ValueError, match=message):
        _kernels.FusedHead(32, 24, 1, 1).add_detection(levels, 0, 0.0, 0.5, 5, 1000)


@pytest.mark.parametrize(
    ("detection", "class_ids", "levels", "message"),
    [
        (1, [0], [(8, POINTS, VISIBLE)], "one of the 1 added before it, found 1"),
        (-1, [0], [(8, POINTS, VISIBLE)], "one of the 1 added before it, found -1"),
        (0, [2], [(8, POINTS, VISIBLE)], "one of the 2 of its detection, found 2"),
        (0, [0, -1], [(8, POINTS, VISIBLE)], "one of the 2 of its detection, found -1"),
        (0, [0], [], "the levels of its detection"),
        (0, [0], [(8, POINTS, VISIBLE)] * 2, "the levels of its detection"),
        (0, [0], [(16, POINTS, VISIBLE)], "the stride and the size of its detection's"),
        (0, [0], [(8, POINTS[:, :, 1:], VISIBLE)], "the stride and the size"),
        (0, [0], [(8, POINTS, VISIBLE[..., 1:])], "the stride and the size"),
        (0, [0], [(8, POINTS[:, 1:], VISIBLE)], "2 channels of points for each keypoint"),
    ],
)
def test_add_pose_refuses(detection: int, class_ids: list[int], levels: list[Any], message: str):
    head = _kernels.FusedHead(32, 24, 1, 1)
    head.add_detection([LEVEL], 0, 0.0, 0.5, 5, 1000)
    described_levels = [(stride, described(a), described(b)) for stride, a, b in levels]
    with pytest.raises(ValueError, match=message):
        head.add_pose(detection, class_ids, described_levels)


def test_levels_of_a_pose_have_the_same_keypoints():
    head = _kernels.FusedHead(32, 24, 1, 1)
    head.add_detection([LEVEL, (16, *LEVEL[1:])], 0, 0.0, 0.5, 5, 1000)
    fewer = 16, described(POINTS[:, :4]), described(VISIBLE[:, :2])
    with pytest.raises(ValueError, match="2 channels of points for each keypoint"):
        head.add_pose(0, [0], [(8, described(POINTS), described(VISIBLE)), fewer])


def test_add_segmentation_and_classification_refuse():
    head = _kernels.FusedHead(32, 24, 1, 1)
    with pytest.raises(ValueError, match="share one channel of logits, found 2"):
        head.add_segmentation(described(SCORES), True)
    with pytest.raises(ValueError, match="at most 255 classes, found 256"):
        head.add_segmentation(("int8", (256, 4, 6), 1.0, 0), False)
    with pytest.raises(ValueError, match=r"one logit per class, found \(4, 6\) of them"):
        head.add_classification(described(SCORES), False)
