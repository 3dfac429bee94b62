"""The compiled kernels against their NumPy twins: the same bits, on whatever comes in."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge_mtl import ops, reference
from edge_mtl.placement import Placement
from edge_mtl.spec import InputSpec
from edge_mtl.tasks import ClassificationTask, DetectionTask, PoseTask, SegmentationTask
from edge_mtl.tensor_spec import TensorSpec

_kernels = pytest.importorskip("edge_mtl._kernels", reason="the compiled kernels are not built")

DTYPES = st.sampled_from(["float32", "float16", "uint8", "int8"])
SPECIALS = {
    "float32": np.array([np.nan, np.inf, -np.inf, 3e38, -3e38, 1e-42, -0.0], np.float32),
    "float16": np.array([np.nan, np.inf, -np.inf, 65504, -65504, 6e-8, -0.0], np.float16),
}


@st.composite
def placements(draw: st.DrawFn, width: int, height: int) -> Placement:
    """Any rectangle of the input, filled by a frame of any small size: letterbox, stretch, zoom."""
    placed_width = draw(st.integers(1, width))
    placed_height = draw(st.integers(1, height))
    x = draw(st.integers(0, width - placed_width))
    y = draw(st.integers(0, height - placed_height))
    frame_size = draw(st.integers(1, 90)), draw(st.integers(1, 90))
    return Placement(frame_size, x, y, placed_width, placed_height)


@st.composite
def logits(draw: st.DrawFn, dtype: str, shape: tuple[int, ...]) -> NDArray[Any]:
    """Raw values with few distinct ones (ties) or many, some of them not finite."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if dtype not in SPECIALS:
        limits = np.iinfo(dtype)
        low, high = draw(st.sampled_from([(limits.min, limits.max + 1), (7, 10)]))
        return rng.integers(low, high, shape).astype(dtype)
    values = rng.normal(scale=3, size=shape).astype(dtype)
    if draw(st.booleans()):
        values = np.rint(values)
    where = rng.random(shape) < draw(st.sampled_from([0.0, 0.1, 0.9]))
    values[where] = rng.choice(SPECIALS[dtype], where.sum())
    return values


def tensor(name: str, values: NDArray[Any], scale: float = 0.05, zero_point: int = 9) -> TensorSpec:
    return TensorSpec(name, values.shape, str(values.dtype), scale, zero_point)  # type: ignore[arg-type]


def describe(spec: TensorSpec) -> tuple[str, tuple[int, int, int], float, int]:
    return spec.dtype, spec.shape[1:], spec.scale, spec.zero_point


def numbers(placement: Placement) -> tuple[int, int, int, int, int, int]:
    return (*placement.frame_size, placement.x, placement.y, placement.width, placement.height)


@settings(deadline=None)
@given(data=st.data(), dtype=DTYPES, pad=st.integers(0, 255), scale=st.floats(0.002, 1.0))
def test_preprocess_equals_its_twin(data: st.DataObject, dtype: str, pad: int, scale: float):
    network_input = InputSpec(width=64, height=32, pad=pad)
    given_tensor = TensorSpec("image", (1, 3, 32, 64), dtype, scale, data.draw(st.integers(0, 127)))
    preprocess = ops.Preprocessor(network_input, given_tensor, data.draw(st.integers(1, 3)))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    for placement in data.draw(st.lists(placements(64, 32), min_size=1, max_size=3)):
        width, height = placement.frame_size
        picture = rng.integers(0, 256, (height + 3, width + 5, 3), dtype=np.uint8)
        crop = picture[2 : 2 + height, 4 : 4 + width]
        out = np.empty((1, 3, 32, 64), dtype)
        preprocess([crop], [placement], out)
        expected = reference.preprocess(crop, placement, network_input, given_tensor)
        np.testing.assert_array_equal(out, expected)


@settings(deadline=None, max_examples=200)
@given(
    data=st.data(),
    dtype=DTYPES,
    classes=st.integers(1, 20),
    binary=st.booleans(),
    grid=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    network_size=st.tuples(st.integers(1, 70), st.integers(1, 70)),
)
def test_segmentation_equals_its_twin(
    data: st.DataObject,
    dtype: str,
    classes: int,
    binary: bool,
    grid: tuple[int, int],
    network_size: tuple[int, int],
):
    """On logits of any size for an input of any size, that no network has, too."""
    names = ("no", "yes") if binary else tuple(f"class {i}" for i in range(classes))
    task = SegmentationTask(name="mask", classes=names, binary=binary)
    raw = data.draw(logits(dtype, (1, 1 if binary else classes, *grid)))
    mask_tensor = tensor("mask", raw)
    expected_logits = reference.class_logits(task, mask_tensor, raw[0])
    head = _kernels.FusedHead(*network_size, 1, data.draw(st.integers(1, 3)))
    head.add_segmentation(describe(mask_tensor), binary)
    for placement in data.draw(st.lists(placements(*network_size), min_size=1, max_size=2)):
        for mask_size in ("frame", "network"):
            width, height = reference.mask_extent(placement, mask_size)
            mask = np.empty((height, width), np.uint8)
            head([raw], [numbers(placement)], [[mask]], [], [], [])
            expected = reference.segment(expected_logits, placement, network_size, (width, height))
            np.testing.assert_array_equal(mask, expected)


@pytest.mark.parametrize("dtype", ["float32", "float16", "uint8", "int8"])
def test_a_blended_logit_of_zero_is_not_above_it(dtype: str):
    """What random logits hardly ever come to: a quarter of the way from 1 to -3."""
    zero = 0 if dtype in SPECIALS else 9
    raw = np.array([[[[zero + 1, zero - 3]]]], dtype)
    mask = np.empty((1, 4), np.uint8)
    head = _kernels.FusedHead(4, 1, 1, 1)
    head.add_segmentation(describe(tensor("mask", raw)), True)
    head([raw], [(4, 1, 0, 0, 4, 1)], [[mask]], [], [], [])
    assert mask.tolist() == [[1, 0, 0, 0]]


STRIDES = st.lists(st.sampled_from([4, 8, 16, 32]), min_size=1, max_size=3, unique=True).map(sorted)
# Usual ones, some whose logits are all but equal or far apart, and some that need bounds.
SCALES = st.sampled_from([0.05, 0.05, 0.05, 0.4, 1e-30, 10.0, 1e27, 1.1e27, 1e28, 1e30])
THRESHOLDS = st.one_of(st.sampled_from([0.0, 1.0]), st.floats(0, 1))


class LevelledTask:
    """A task with raw outputs of its own, one pair of tensors a level."""

    def __init__(self, task: DetectionTask | PoseTask) -> None:
        self.task = task
        self.raw: dict[str, NDArray[Any]] = {}
        self.tensors: dict[str, TensorSpec] = {}
        self.levels: list[Any] = []

    def add_level(self, stride: int, scale: float, *values: NDArray[Any]) -> None:
        names = reference.level_names(self.task, stride)
        self.raw |= dict(zip(names, values, strict=True))
        self.tensors |= {name: tensor(name, self.raw[name], scale) for name in names}
        self.levels.append((stride, *(describe(self.tensors[name]) for name in names)))


@settings(deadline=None, max_examples=200)
@given(
    data=st.data(),
    dtypes=st.tuples(DTYPES, DTYPES, DTYPES, DTYPES),
    classes=st.integers(1, 20),
    bins=st.sampled_from([None, None, 2, 5, 16, 64]),
    keypoints=st.one_of(st.integers(1, 6), st.integers(15, 33)),
    strides=STRIDES,
    score_threshold=THRESHOLDS,
    iou_threshold=THRESHOLDS,
    max_boxes=st.sampled_from([1, 7, 300]),
)
def test_detection_and_pose_equal_their_twins(
    data: st.DataObject,
    dtypes: tuple[str, str, str, str],
    classes: int,
    bins: int | None,
    keypoints: int,
    strides: list[int],
    score_threshold: float,
    iou_threshold: float,
    max_boxes: int,
):
    detection = DetectionTask(
        classes=tuple(f"class {i}" for i in range(classes)),
        strides=tuple(strides),
        score_threshold=score_threshold,
        iou_threshold=iou_threshold,
        max_boxes=max_boxes,
        bins=bins,
    )
    with_keypoints = data.draw(st.lists(st.integers(0, classes - 1), min_size=1, unique=True))
    pose = PoseTask(
        classes=tuple(detection.classes[i] for i in with_keypoints),
        keypoints=tuple(f"point {i}" for i in range(keypoints)),
        strides=tuple(strides),
    )
    boxes_of, poses_of = LevelledTask(detection), LevelledTask(pose)
    for stride in strides:
        cells = data.draw(st.tuples(st.integers(1, 12), st.integers(1, 12)))
        channels = classes, 4 * (bins or 1), 2 * keypoints, keypoints
        scores, distances, points, visible = (
            data.draw(logits(dtype, (1, n, *cells)))
            for dtype, n in zip(dtypes, channels, strict=True)
        )
        scale = data.draw(SCALES)
        boxes_of.add_level(stride, scale, scores, distances)
        poses_of.add_level(stride, scale, points, visible)
    head = _kernels.FusedHead(97, 61, 1, 2)
    candidates = max(reference.MIN_CANDIDATES, max_boxes)
    least = reference.logit(score_threshold)
    head.add_detection(boxes_of.levels, bins or 0, least, iou_threshold, max_boxes, candidates)
    head.add_pose(0, with_keypoints, poses_of.levels)

    placement = data.draw(placements(97, 61))
    boxes, scores = np.empty((1, max_boxes, 4), np.float32), np.empty((1, max_boxes), np.float32)
    class_ids, rows = np.empty((2, 1, max_boxes), np.int32)
    points = np.empty((1, max_boxes, keypoints, 2), np.float32)
    visible = np.empty((1, max_boxes, keypoints), np.float32)
    raw = [*boxes_of.raw.values(), *poses_of.raw.values()]
    outputs = [(boxes, scores, class_ids)], [(rows, points, visible)]
    [[n]], [[m]] = head(raw, [numbers(placement)], [[]], *outputs, [])

    found, cells = reference.detect(detection, boxes_of.tensors, boxes_of.raw, placement)
    np.testing.assert_array_equal(boxes[0, :n], found.boxes)
    np.testing.assert_array_equal(class_ids[0, :n], found.class_ids)
    np.testing.assert_array_equal(scores[0, :n], found.scores)
    poses = reference.find_poses(pose, poses_of.tensors, poses_of.raw, placement, found, cells)
    np.testing.assert_array_equal(rows[0, :m], poses.rows)
    np.testing.assert_array_equal(points[0, :m], poses.points)
    np.testing.assert_array_equal(visible[0, :m], poses.scores)


@settings(deadline=None, max_examples=200)
@given(data=st.data(), dtype=DTYPES, classes=st.integers(1, 254), multi_label=st.booleans())
def test_classification_equals_its_twin(
    data: st.DataObject, dtype: str, classes: int, multi_label: bool
):
    names = tuple(f"class {i}" for i in range(classes))
    task = ClassificationTask(name="time", classes=names, multi_label=multi_label)
    raw = data.draw(logits(dtype, (1, classes, 1, 1)))
    time = tensor("time", raw)
    head = _kernels.FusedHead(97, 61, 1, 2)
    head.add_classification(describe(time), multi_label)
    scores = np.empty((1, classes), np.float32)
    head([raw], [(9, 9, 0, 0, 9, 9)], [[]], [], [], [scores])
    np.testing.assert_array_equal(scores[0], reference.classify(task, time, raw).scores)
