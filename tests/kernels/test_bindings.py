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
        preprocess(frame, placement, out)


SCORES = np.zeros((1, 2, 4, 6), np.float32)
DISTANCES = np.zeros((1, 4, 4, 6), np.int8)
MASK = np.zeros((8, 9), np.uint8)
FOUND = np.zeros((5, 4), np.float32), np.zeros(5, np.float32), np.zeros(5, np.int32)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"raw": [SCORES, SCORES]}, ValueError, "expected 3 raw outputs, found 2"),
        ({"raw": [SCORES, None, DISTANCES]}, TypeError, "raw output 1 must be a NumPy array"),
        ({"raw": [SCORES, SCORES, SCORES]}, TypeError, "raw output 2 .*int8, found float32"),
        ({"raw": [SCORES, SCORES[0], DISTANCES]}, ValueError, r"found \(2, 4, 6\)"),
        ({"raw": [SCORES[:, :0], SCORES, DISTANCES]}, ValueError, r"found \(1, 0, 4, 6\)"),
        ({"raw": [SCORES[..., ::-1], SCORES, DISTANCES]}, ValueError, "C-contiguous"),
        ({"masks": []}, ValueError, "every task needs its outputs"),
        ({"masks": [MASK.astype(bool)]}, TypeError, "mask must have dtype uint8, found bool"),
        ({"masks": [MASK[None]]}, ValueError, r"mask must have shape \(H, W\)"),
        ({"masks": [MASK[:0]]}, ValueError, r"mask must have shape \(H, W\)"),
        ({"masks": [MASK[:, ::2]]}, ValueError, "mask must be C-contiguous"),
        ({"masks": [read_only(MASK.copy())]}, TypeError, "mask must be a writable"),
        ({"found": []}, ValueError, "every task needs its outputs"),
        ({"found": [(FOUND[0][:4], *FOUND[1:])]}, ValueError, r"boxes must have shape \(5, 4\)"),
        ({"found": [(*FOUND[:2], FOUND[1])]}, TypeError, "class_ids must have dtype int32"),
        ({"placement": (64, 48, 0, 0, 33, 24)}, ValueError, "placement must lie in"),
    ],
)
def test_fused_head_refuses(change: dict[str, Any], error: type[Exception], message: str):
    head = _kernels.FusedHead(32, 24)
    scores, distances = ("float32", (2, 4, 6), 1.0, 0), ("int8", (4, 4, 6), 0.1, 0)
    head.add_segmentation(scores)
    head.add_detection([(8, scores, distances)], 0.0, 0.5, 5, 1000)
    arguments: dict[str, Any] = {
        "raw": [SCORES, SCORES, DISTANCES],
        "placement": (64, 48, 0, 0, 32, 24),
        "masks": [MASK],
        "found": [FOUND],
    }
    assert head(**arguments) == [0]
    with pytest.raises(error, match=message):
        head(**arguments | change)
