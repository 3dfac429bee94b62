"""Whatever the compiled kernels are handed, they refuse it or give what their twins give.

Sound arguments are drawn and then spoilt in a few places. What is refused must be a `TypeError` or
a `ValueError`; what is not must be right, on arguments as they are now.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge_mtl import reference
from edge_mtl.placement import Placement
from edge_mtl.spec import InputSpec
from edge_mtl.tasks import ClassificationTask, DetectionTask, PoseTask, SegmentationTask
from edge_mtl.tensor_spec import TensorSpec

_kernels = pytest.importorskip("edge_mtl._kernels", reason="the compiled kernels are not built")

DTYPES = ["float32", "float16", "uint8", "int8"]
NUMBERS: list[Any] = [
    *(-(2**63), -(2**31), -129, -1, 0, 1, 2, 3, 16, 17, 64, 127, 128, 255, 256, 4096, 4097, 65535),
    *(65536, 2**31 - 1, 2**31, 2**63, 0.5, -0.5, 1e-42, 1e38, 1e300),
    *(float("nan"), float("inf"), float("-inf"), True, None, "uint8", "float64", b"", ()),
]
FAR = 2**62  # bytes


def off_by_a_byte(array: NDArray[Any]) -> NDArray[Any]:
    memory = np.zeros(array.nbytes + 1, np.uint8)
    moved = memory[1:].view(array.dtype).reshape(array.shape)
    moved[...] = array
    return moved


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    copy = array.copy()
    copy.flags.writeable = False
    return copy


# What may come in an array's place.
SPOILERS: list[Callable[[NDArray[Any]], Any]] = [
    lambda array: None,
    lambda array: array.tolist(),
    lambda array: array.tobytes(),
    lambda array: bytearray(array.tobytes()),
    memoryview,
    lambda array: array.view(type("Sub", (np.ndarray,), {})),
    lambda array: array.astype(np.float32),
    lambda array: array.astype(np.float64),
    lambda array: array.astype(np.float16),
    lambda array: np.zeros_like(array, np.int8),
    lambda array: array.astype(bool),
    lambda array: array.astype(object),
    lambda array: array.astype(array.dtype.newbyteorder()),
    lambda array: array.view(np.uint8),
    lambda array: array.ravel(),
    lambda array: array[None],
    lambda array: array[0],
    lambda array: array[:0],
    lambda array: array[1:],
    lambda array: array[..., :-1],
    lambda array: array[::-1],
    lambda array: array[..., ::-1],
    lambda array: array[..., ::2],
    lambda array: array.T,
    lambda array: np.asfortranarray(array),
    lambda array: np.concatenate([array, array]),
    lambda array: np.repeat(array, 2, axis=-1)[..., ::2],
    lambda array: np.broadcast_to(array[:1], array.shape),
    lambda array: np.lib.stride_tricks.as_strided(array, strides=(FAR,) * array.ndim),
    off_by_a_byte,
    read_only,
]


def places(tree: Any) -> Iterator[tuple[list[Any], int]]:
    """Every place in the lists of a tree, those of lists as well: [] may stand there."""
    for i, branch in enumerate(tree):
        yield tree, i
        if isinstance(branch, list):
            yield from places(branch)


def is_there(found: Any) -> bool:
    """Whether it is an array, and its strides name memory that is its own."""
    return isinstance(found, np.ndarray) and (FAR not in found.strides or found.size < 2)


def spoil(data: st.DataObject, tree: list[Any]) -> None:
    """Put something else in up to three places of the tree."""
    for _ in range(data.draw(st.integers(0, 3))):
        everywhere = list(places(tree))
        arrays = [(way, i) for way, i in everywhere if is_there(way[i])]
        chosen = data.draw(st.sampled_from([arrays or everywhere, everywhere]))
        branch, last = data.draw(st.sampled_from(chosen))
        found = branch[last]
        if isinstance(found, list) and data.draw(st.booleans()):
            branch[last] = data.draw(st.sampled_from([found[:-1], [*found, *found[-1:]]]))
        elif not is_there(found):
            alike = [each for each in NUMBERS if type(each) is type(found)]
            branch[last] = data.draw(
                st.sampled_from(data.draw(st.sampled_from([alike or NUMBERS, NUMBERS])))
            )
        elif data.draw(st.integers(0, 3)) == 0:
            # The memory of another array, or of this one.
            large = [way[i] for way, i in arrays if way[i].dtype == found.dtype]
            other = data.draw(st.sampled_from([e for e in large if e.size >= found.size]))
            branch[last] = other.ravel()[other.size - found.size :].reshape(found.shape)
        else:
            try:
                branch[last] = data.draw(st.sampled_from(SPOILERS))(found)
            except (IndexError, ValueError, TypeError):
                branch[last] = None  # there is no such view of this array


KINDS = "segmentation", "detection", "pose", "classification"


def copied(tree: Any) -> Any:
    """The tree with arrays of its own, whatever they were made of."""
    if isinstance(tree, list):
        return [copied(branch) for branch in tree]
    if is_there(tree) or isinstance(tree, memoryview | bytearray):
        return np.array(tree)
    return None if isinstance(tree, np.ndarray) else tree


def raw_values(data: st.DataObject, dtype: str, shape: tuple[int, ...]) -> NDArray[Any]:
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    if dtype in ("uint8", "int8"):
        return rng.integers(0, 128, shape).astype(dtype)
    values = rng.normal(scale=2, size=shape).astype(dtype)
    values[rng.random(shape) < 0.05] = data.draw(st.sampled_from([0.0, np.nan, np.inf, -np.inf]))
    return values


def placement_in(data: st.DataObject, width: int, height: int) -> list[int]:
    x, y = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    placed = data.draw(st.integers(1, width - x)), data.draw(st.integers(1, height - y))
    return [data.draw(st.integers(1, 30)), data.draw(st.integers(1, 30)), x, y, *placed]


def as_placement(numbers: list[int]) -> Placement:
    return Placement((numbers[0], numbers[1]), *numbers[2:])


def fuzz_preprocess(data: st.DataObject) -> None:
    width, height, batch = (data.draw(st.integers(1, n)) for n in (40, 40, 2))
    dtype = data.draw(st.sampled_from(DTYPES))
    table = raw_values(data, dtype, (3, 256))
    lines = [[data.draw(st.floats(width=32)), 0.0] for _ in range(3)]
    made = [width, height, batch, data.draw(st.integers(0, 255)), table, lines]
    placements = [placement_in(data, width, height) for _ in range(batch)]
    rng = np.random.default_rng(1)
    frames = [rng.integers(0, 256, (h, w, 3), np.uint8) for w, h, *_ in placements]
    out = np.zeros((batch, 3, height, width), dtype)
    tree: list[Any] = [[*made, data.draw(st.integers(1, 3))], [frames, placements, out]]
    spoil(data, tree)
    before = copied(tree)
    try:
        _kernels.Preprocessor(*tree[0])(*tree[1])
    except (TypeError, ValueError):
        return
    (width, height, _, pad, table, *_), (frames, placements, _) = before
    written = np.asarray(tree[1][2])
    as_it_is = InputSpec(width=width, height=height, pad=pad, mean=(0, 0, 0), std=(1 / 255,) * 3)
    for i, (frame, placement) in enumerate(zip(frames, placements, strict=True)):
        [pixels] = reference.preprocess(
            frame, as_placement(placement), as_it_is, TensorSpec("", (1, 3, 1, 1), "uint8")
        )
        expected = np.stack([of_channel[p] for of_channel, p in zip(table, pixels, strict=True)])
        np.testing.assert_array_equal(written[i], expected)
    np.testing.assert_array_equal(written[len(frames) :], before[1][2][len(frames) :])


def sound_head(data: st.DataObject) -> list[Any]:
    """What a head is made with, its tasks by kind, and what it is called with."""

    def tensor(channels: int, height: int, width: int) -> list[Any]:
        dtype = data.draw(st.sampled_from(DTYPES))
        raw.append(raw_values(data, dtype, (batch, channels, height, width)))
        return [dtype, [channels, height, width], 0.1, data.draw(st.integers(0, 127))]

    def levels(first: int, second: int) -> list[Any]:
        return [
            [8 << i, tensor(first, *cells), tensor(second, *cells)] for i, cells in enumerate(grids)
        ]

    def room(*shape: int, dtype: Any = np.float32) -> NDArray[Any]:
        return np.zeros((batch, *shape), dtype)

    width, height, batch = (data.draw(st.integers(1, n)) for n in (70, 70, 2))
    classes, most, keypoints = (data.draw(st.integers(1, n)) for n in (18, 9, 3))
    grid = st.tuples(st.integers(1, 9), st.integers(1, 9))
    grids = data.draw(st.lists(grid, min_size=1, max_size=2))
    placements = [placement_in(data, width, height) for _ in range(batch)]
    raw: list[Any] = []
    masks, boxes, points, scores = [[] for _ in placements], [], [], []
    segmentations, detections, poses, classifications = [], [], [], []
    for _ in range(data.draw(st.integers(0, 2))):
        binary = data.draw(st.booleans())
        segmentations.append([tensor(1 if binary else classes, *data.draw(grid)), binary])
        for of_frame, (w, h, *_) in zip(masks, placements, strict=True):
            of_frame.append(np.zeros((h, w), np.uint8))
    if data.draw(st.booleans()):
        bins = data.draw(st.sampled_from([0, 0, 2, 5]))
        least = data.draw(st.sampled_from([-np.inf, 0.0, 1.5, np.inf]))
        of_levels = levels(classes, 4 * max(1, bins))
        detections.append([of_levels, bins, least, data.draw(st.floats(0, 1)), most, 1000])
        boxes.append([room(most, 4), room(most), room(most, dtype=np.int32)])
    if detections and data.draw(st.booleans()):
        chosen = data.draw(st.lists(st.integers(0, classes - 1), max_size=3))
        poses.append([0, chosen, levels(2 * keypoints, keypoints)])
        points.append([room(most, dtype=np.int32), room(most, keypoints, 2), room(most, keypoints)])
    if data.draw(st.booleans()):
        classifications.append([tensor(classes, 1, 1), data.draw(st.booleans())])
        scores.append(room(classes))
    made = [width, height, batch, data.draw(st.integers(1, 3))]
    tasks = [segmentations, detections, poses, classifications]
    return [made, *tasks, [raw, placements, masks, boxes, points, scores]]


def fuzz_fused_head(data: st.DataObject) -> None:
    tree = sound_head(data)
    spoil(data, tree)
    before = copied(tree)
    made, *tasks, arguments = tree
    try:
        head = _kernels.FusedHead(*made)
        for kind, of_kind in zip(KINDS, tasks, strict=True):
            for task in of_kind:
                getattr(head, f"add_{kind}")(*task)
        counts = head(*arguments)
    except (TypeError, ValueError):
        return
    (width, height, *_), *tasks, (raw, placements, *_) = before
    _, _, masks, *rest = arguments
    for array, given_before in zip(arguments[0], raw, strict=True):
        np.testing.assert_array_equal(np.asarray(array), given_before)
    for frame, placement in enumerate(placements):
        outputs = iter([each[frame : frame + 1] for each in raw])
        found = [
            [np.asarray(mask) for mask in masks[frame]],
            *([[np.asarray(a)[frame] for a in each] for each in of_kind] for of_kind in rest[:2]),
            [np.asarray(each)[frame] for each in rest[2]],
        ]
        n, m = (each[frame] for each in counts)
        check_head((width, height), tasks, outputs, as_placement(placement), found, n, m)


def described(name: str, tensor: list[Any]) -> TensorSpec:
    dtype, shape, scale, zero_point = tensor
    return TensorSpec(name, (1, *shape), dtype, scale, zero_point)


def names(count: int) -> tuple[str, ...]:
    return tuple(f"class {i}" for i in range(count))


def check_head(
    network_size: tuple[int, int],
    tasks: list[Any],
    raw: Iterator[NDArray[Any]],
    placement: Placement,
    found: list[Any],
    box_counts: list[int],
    pose_counts: list[int],
) -> None:
    """Hold one frame's results against the twins, for tasks as the head was told."""
    segmentations, detections, poses, classifications = tasks
    masks, boxes, points, scores = found
    for levels, *_ in detections:
        strides = [stride for stride, *_ in levels]
        if strides != sorted(set(strides)):
            return  # of these the twin cannot be asked
    for (tensor, binary), mask in zip(segmentations, masks, strict=True):
        task = SegmentationTask(
            name="mask", classes=names(2 if binary else tensor[1][0]), binary=binary
        )
        logits = reference.class_logits(task, described("mask", tensor), next(raw)[0])
        expected = reference.segment(logits, placement, network_size, mask.shape[::-1])
        np.testing.assert_array_equal(mask, expected)
    twins = []
    for (levels, bins, least, iou, most, candidates), arrays, n in zip(
        detections, boxes, box_counts, strict=True
    ):
        task, tensors, values = levelled(
            DetectionTask, levels, raw, classes=names(levels[0][1][1][0]), bins=bins or None,
            iou_threshold=iou, max_boxes=most,
        )  # fmt: skip
        # The twin knows neither limit as the kernel does.
        with (
            mock.patch.object(DETECT, "logit", lambda _, least=least: np.float32(least)),
            mock.patch.object(DETECT, "MIN_CANDIDATES", candidates),
        ):
            twins.append((task, *reference.detect(task, tensors, values, placement)))
        _, expected_boxes, _ = twins[-1]
        wanted = expected_boxes.boxes, expected_boxes.scores, expected_boxes.class_ids
        for array, expected in zip(arrays, wanted, strict=True):
            np.testing.assert_array_equal(array[:n], expected)
    for (which, chosen, levels), arrays, n in zip(poses, points, pose_counts, strict=True):
        detection, detected, cells = twins[which]
        task, tensors, values = levelled(
            PoseTask, levels, raw, classes=tuple(detection.classes[i] for i in chosen),
            keypoints=names(levels[0][2][1][0]),
        )  # fmt: skip
        pose = reference.find_poses(task, tensors, values, placement, detected, cells)
        for array, expected in zip(arrays, (pose.rows, pose.points, pose.scores), strict=True):
            np.testing.assert_array_equal(array[:n], expected)
    for (tensor, multi_label), array in zip(classifications, scores, strict=True):
        task = ClassificationTask(name="time", classes=names(tensor[1][0]), multi_label=multi_label)
        expected = reference.classify(task, described("time", tensor), next(raw)).scores
        np.testing.assert_array_equal(array, expected)


DETECT = sys.modules["edge_mtl.reference.detect"]


def levelled(
    kind: type[Any], levels: list[Any], raw: Iterator[NDArray[Any]], **settings: Any
) -> tuple[Any, dict[str, TensorSpec], dict[str, NDArray[Any]]]:
    """The task, and the tensors of its levels with their values by name."""
    task = kind(strides=tuple(stride for stride, *_ in levels), **settings)
    tensors = {
        name: described(name, tensor)
        for stride, *pair in levels
        for name, tensor in zip(reference.level_names(task, stride), pair, strict=True)
    }
    return task, tensors, {name: next(raw) for name in tensors}


FUZZERS = [fuzz_preprocess, fuzz_fused_head]
SETTINGS: Any = {
    "deadline": None,
    "database": None,
    "suppress_health_check": [HealthCheck.too_slow],
}


@pytest.mark.parametrize("fuzz", FUZZERS)
def test_what_is_not_refused_is_right(fuzz: Callable[[st.DataObject], None]) -> None:
    settings(**SETTINGS, derandomize=True, max_examples=250)(given(st.data())(fuzz))()


@pytest.mark.slow
def test_what_is_not_refused_is_right_for_as_long_as_there_is_time() -> None:
    """test_sanitizers.py runs this one with kernels that are watched."""
    end = time.monotonic() + float(os.environ.get("EDGE_MTL_FUZZ_SECONDS", 20))
    round_number = 0
    while time.monotonic() < end:
        for fuzz in FUZZERS:
            seed(round_number)(settings(**SETTINGS, max_examples=200)(given(st.data())(fuzz)))()
        round_number += 1
    print(f"{round_number} rounds of 200 examples of each")
