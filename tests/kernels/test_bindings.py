"""What the compiled kernels refuse, when they are called, before they follow a pointer."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_mtl import ops
from edge_mtl.placement import Placement
from edge_mtl.spec import InputSpec
from edge_mtl.tensor_spec import TensorSpec

_kernels = pytest.importorskip("edge_mtl._kernels", reason="the compiled kernels are not built")


def unaligned(shape: tuple[int, ...]) -> NDArray[np.float32]:
    return np.zeros(4 * int(np.prod(shape)) + 1, np.uint8)[1:].view(np.float32).reshape(shape)


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    array.flags.writeable = False
    return array


FRAME = np.zeros((48, 64, 3), np.uint8)
FAR_ROWS = np.lib.stride_tricks.as_strided(FRAME, strides=(-(2**61), 3, 1))
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
        (FRAME, Placement((64, 48), 2**31 - 1, 0, 32, 24), OUT, ValueError, "placement must lie"),
        (FRAME, Placement((64, 48), 0, 0, 32, 2**31 - 1), OUT, ValueError, "placement must lie"),
        (FRAME, Placement((65536, 48), 0, 0, 32, 24), OUT, ValueError, "width must be between"),
        (FRAME, Placement((64, 48), 0, 0, 2**31, 24), OUT, TypeError, "incompatible"),
        (FRAME, Placement((64.5, 48), 0, 0, 32, 24), OUT, TypeError, "incompatible"),  # type: ignore[arg-type]
        (FAR_ROWS, PLACEMENT, OUT, ValueError, "bytes between a frame's rows must be between"),
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


def test_preprocess_needs_a_frame_and_a_placement_each():
    tensor = TensorSpec("image", (2, 3, 32, 32))
    preprocess = ops.Preprocessor(InputSpec(width=32, height=32), tensor)
    out = np.zeros(tensor.shape, np.float32)
    for frames, placements, message in (
        ([], [], "placements of 1 to 2 frames, found 0"),
        ([FRAME] * 3, [PLACEMENT] * 3, "placements of 1 to 2 frames, found 3"),
        ([FRAME], [PLACEMENT] * 2, "a frame for each of the 2 placements, found 1"),
        (FRAME, [PLACEMENT], "a frame for each of the 1 placements, found 48"),
    ):
        with pytest.raises(ValueError, match=message):
            preprocess(frames, placements, out)
    with pytest.raises(ValueError, match=r"out must have shape \(2, 3, 32, 32\), found \(1, "):
        preprocess([FRAME], [PLACEMENT], out[:1])


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


LEVEL = 8, described(SCORES), described(DISTANCES)


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


def test_fused_head_refuses_outputs_that_share_memory():
    head = _kernels.FusedHead(32, 24, 2, 1)
    head.add_segmentation(("uint8", (2, 4, 6), 0.1, 0), False)
    head.add_classification(("uint8", (16, 1, 1), 0.1, 0), True)
    memory = np.zeros(1000, np.uint8)
    logits, mask = memory[:96].reshape(2, 2, 4, 6), memory[100:172].reshape(8, 9)
    group, scores = np.zeros((2, 16, 1, 1), np.uint8), memory[200:328].view(np.float32)
    for masks, written in (
        ([mask, memory[95:167].reshape(8, 9)], scores),
        ([mask, memory[60:70].reshape(2, 5)], scores),
        ([mask, mask], scores),
        ([mask, memory[171:181].reshape(2, 5)], scores),
        ([mask, memory[180:201].reshape(3, 7)], scores),
        ([mask, memory[327:337].reshape(2, 5)], scores),
        ([mask, memory[180:190].reshape(2, 5)], memory[80:208].view(np.float32)),
    ):
        arguments = [[[each] for each in masks], [], [], [written.reshape(2, 16)]]
        with pytest.raises(ValueError, match="must not share memory with"):
            head([logits, group], [PLACED, PLACED], *arguments)
    between = memory[172:200].reshape(4, 7)
    head([logits, group], [PLACED, PLACED], [[mask], [between]], [], [], [scores.reshape(2, 16)])


def test_preprocess_refuses_an_output_in_a_frame():
    tensor = TensorSpec("image", (1, 3, 32, 32), "uint8", 0.02)
    preprocess = ops.Preprocessor(InputSpec(width=32, height=32), tensor)
    memory = np.zeros(20_000, np.uint8)
    out = memory[9000:12072].reshape(tensor.shape)
    crops = memory[:9216].reshape(48, 64, 3), memory[2856:12072].reshape(48, 64, 3)[::-1]
    for crop in (*crops, memory[12071 : 12071 + 192][None].reshape(1, 64, 3)):
        placement = Placement((64, len(crop)), 0, 0, 32, 24)
        with pytest.raises(ValueError, match="must not share memory with"):
            preprocess([crop], [placement], out)
    preprocess([memory[12072 : 12072 + 192].reshape(1, 64, 3)], [placement], out)


class Exporter:
    """An array that gives others a copy of itself, as an array of another library may."""

    def __init__(self, array: NDArray[Any]) -> None:
        self.array = array

    def __dlpack__(self, **_: Any) -> Any:
        return np.copy(self.array).__dlpack__()

    def __dlpack_device__(self) -> tuple[int, int]:
        return 1, 0


def test_what_is_written_to_lives_as_long_as_the_call():
    head = _kernels.FusedHead(32, 24, 1, 1)
    head.add_segmentation(("uint8", (2, 4, 6), 0.1, 0), False)
    logits = np.zeros((1, 2, 4, 6), np.uint8)
    mask = Exporter(np.zeros((3000, 4000), np.uint8))  # large enough to be unmapped when it goes
    head([Exporter(logits)], [PLACED], [[mask]], [], [], [])


def test_buffers_are_read_in_place_and_given_back():
    head = _kernels.FusedHead(32, 24, 1, 1)
    head.add_segmentation(("uint8", (2, 4, 6), 0.1, 0), False)
    logits, mask = bytearray(24 * b"\0" + 24 * b"\1"), bytearray(72)
    raw, labels = memoryview(logits).cast("B", (1, 2, 4, 6)), memoryview(mask).cast("B", (8, 9))
    head([raw], [PLACED], [[labels]], [], [], [])
    assert mask == b"\1" * 72
    with pytest.raises(ValueError, match="must not share memory"):
        head([raw], [PLACED], [[memoryview(logits).cast("B", (8, 6))]], [], [], [])
    with pytest.raises(TypeError, match="mask must be a writable"):
        head([raw], [PLACED], [[labels.toreadonly()]], [], [], [])
    with pytest.raises(ValueError, match="mask must have shape"):
        head([raw], [PLACED], [[memoryview(mask)]], [], [], [])
    raw.release()
    labels.release()
    logits.append(0)  # a BufferError where somebody still reads
    mask.append(0)


def test_tasks_come_before_calls():
    head = _kernels.FusedHead(32, 24, 1, 1)
    logits = "uint8", (2, 4, 6), 0.1, 0
    head.add_segmentation(logits, False)
    head([np.zeros((1, 2, 4, 6), np.uint8)], [PLACED], [[MASK]], [], [], [])
    with pytest.raises(ValueError, match="added before the first call"):
        head.add_segmentation(logits, False)


def test_an_object_that_was_not_made_is_refused():
    for kind, arguments in ((_kernels.FusedHead, 6), (_kernels.Preprocessor, 3)):
        with pytest.warns(RuntimeWarning, match="uninitialized"), pytest.raises(TypeError):
            kind.__new__(kind)(*[[]] * arguments)
