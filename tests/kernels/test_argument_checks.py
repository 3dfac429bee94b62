"""What the compiled kernels refuse when they are built."""

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_mtl import reference, spec, tasks
from edge_mtl.gpu import head_plan

_kernels = pytest.importorskip("edge_mtl._kernels", reason="the compiled kernels are not built")

TABLE = np.zeros((3, 256), np.float32)
LINES = [(1.0, 0.0)] * 3
SCORES: Any = ("float32", (2, 4, 6), 0.1, 0)
DISTANCES: Any = ("int8", (4, 4, 6), 0.1, 0)
POINTS: Any = ("uint8", (6, 4, 6), 0.1, 0)
VISIBLE: Any = ("float32", (3, 4, 6), 0.1, 0)
LOGITS: Any = ("float32", (7, 1, 1), 0.1, 0)
LEVEL = 8, SCORES, DISTANCES


def resized(tensor: Any, channels: int = 0, height: int = 0, width: int = 0) -> Any:
    """The tensor with so many more of each."""
    dtype, (c, h, w), *scale = tensor
    return dtype, (c + channels, h + height, w + width), *scale


def test_there_is_room_for_eight_tasks_of_a_kind():
    head = _kernels.FusedHead(32, 24, 1, 1)
    for add in (
        lambda: head.add_segmentation(SCORES, False),
        lambda: head.add_classification(LOGITS, False),
        lambda: head.add_detection([LEVEL], 0, 0.0, 0.5, 5, 1000),
        lambda: head.add_pose(0, [1], [(8, POINTS, VISIBLE)]),
    ):
        for _ in range(8):
            add()
        with pytest.raises(ValueError, match="at most 8 tasks of a kind"):
            add()


def test_limits_are_those_of_the_spec():
    header = Path(__file__).parents[2] / "kernels" / "limits.h"
    limits = dict(re.findall(r"constexpr int kMax(\w+) = (\d+);", header.read_text()))
    assert int(limits["Candidates"]) == tasks.MAX_BOXES >= reference.MIN_CANDIDATES
    assert int(limits["Bins"]) == tasks.MAX_BINS
    assert int(limits["Tasks"]) == spec.MAX_TASKS
    assert int(limits["Frames"]) == spec.MAX_FRAMES
    assert int(limits["Levels"]) == head_plan.MAX_LEVELS == 4  # strides 4, 8, 16 and 32


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 0}, "input's width must be between 1 and 65535, found 0"),
        ({"height": 65536}, "input's height must be between 1 and 65535, found 65536"),
        ({"batch": 0}, "batch must be between 1 and 16, found 0"),
        ({"batch": 17}, "batch must be between 1 and 16, found 17"),
        ({"threads": 0}, "threads must be between 1 and 256, found 0"),
        ({"threads": -1}, "threads must be between 1 and 256, found -1"),
        ({"threads": 257}, "threads must be between 1 and 256, found 257"),
        ({"table": TABLE[:2]}, r"table must have shape \(3, 256\), found \(2, 256\)"),
        ({"table": TABLE[:, ::-1]}, "table must be C-contiguous"),
        ({"table": np.zeros(3073, np.uint8)[1:].view(np.float32).reshape(3, 256)}, "aligned"),
    ],
)
def test_a_preprocessor_refuses(change: dict[str, Any], message: str):
    arguments: dict[str, Any] = {
        "width": 32,
        "height": 32,
        "batch": 1,
        "pad": 0,
        "table": TABLE,
        "lines": LINES,
        "threads": 1,
    }
    _kernels.Preprocessor(**arguments)
    with pytest.raises(ValueError, match=message):
        _kernels.Preprocessor(**arguments | change)


@pytest.mark.parametrize(
    "change",
    [
        {"width": 2**31},
        {"pad": 256},
        {"pad": -1},
        {"table": None},
        {"table": TABLE.astype(np.float64)},
        {"lines": LINES[:2]},
        {"lines": [(1.0, 0.0, 0.0)] * 3},
        {"threads": 1.5},
    ],
)
def test_a_preprocessor_refuses_other_types(change: dict[str, Any]):
    arguments: dict[str, Any] = {
        "width": 32,
        "height": 32,
        "batch": 1,
        "pad": 0,
        "table": TABLE,
        "lines": LINES,
        "threads": 1,
    }
    with pytest.raises(TypeError):
        _kernels.Preprocessor(**arguments | change)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 24, 1, 1), "network's width must be between 1 and 65535, found 0"),
        ((32, -1, 1, 1), "network's height must be between 1 and 65535, found -1"),
        ((32, 24, 0, 1), "batch must be between 1 and 16, found 0"),
        ((32, 24, 17, 1), "batch must be between 1 and 16, found 17"),
        ((32, 24, 1, 0), "threads must be between 1 and 256, found 0"),
    ],
)
def test_a_fused_head_refuses(arguments: tuple[int, ...], message: str):
    with pytest.raises(ValueError, match=message):
        _kernels.FusedHead(*arguments)


@pytest.mark.parametrize(
    ("logits", "message"),
    [
        (("uint8", (2, 4, 6), 0.0, 0), "scale must be between"),
        (("uint8", (2, 4, 6), -0.1, 0), "scale must be between"),
        (("int8", (2, 4, 6), math.nan, 0), "scale must be between .*, found nan"),
        (("int8", (2, 4, 6), math.inf, 0), "scale must be between .*, found inf"),
        (("uint8", (2, 4, 6), 1.0, -1), "zero point must be between 0 and 255, found -1"),
        (("uint8", (2, 4, 6), 1.0, 256), "zero point must be between 0 and 255, found 256"),
        (("int8", (2, 4, 6), 1.0, 128), "zero point must be between -128 and 127, found 128"),
        (("int8", (2, 0, 6), 1.0, 0), "height must be between 1 and 65535, found 0"),
        (("int8", (2, 4, -6), 1.0, 0), "width must be between 1 and 65535, found -6"),
        (("int8", (2, 65536, 6), 1.0, 0), "height must be between 1 and 65535, found 65536"),
        (("int8", (9, 65535, 65535), 1.0, 0), r"2\^31 values or more"),
        (("bfloat16", (2, 4, 6), 1.0, 0), "must be float32, float16, uint8 or int8, found bf"),
    ],
)
def test_a_tensor_is_refused(logits: Any, message: str):
    with pytest.raises(ValueError, match=message):
        _kernels.FusedHead(32, 24, 1, 1).add_segmentation(logits, False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"levels": []}, "number of levels must be between 1 and 4, found 0"),
        ({"levels": [LEVEL] * 5}, "number of levels must be between 1 and 4, found 5"),
        ({"levels": [(0, *LEVEL[1:])]}, "stride must be between 1 and 65535, found 0"),
        ({"levels": [(-8, *LEVEL[1:])]}, "stride must be between 1 and 65535, found -8"),
        ({"bins": -1}, "bins must be 0, or between 2 and 64, found -1"),
        ({"bins": 1}, "bins must be 0, or between 2 and 64, found 1"),
        ({"bins": 65}, "bins must be 0, or between 2 and 64, found 65"),
        ({"bins": 2}, "boxes must have 8 channels"),
        ({"min_logit": math.nan}, "logit or score must be a number"),
        ({"iou_threshold": math.nan}, "iou_threshold must be between 0 and 1, found nan"),
        ({"iou_threshold": -0.1}, "iou_threshold must be between 0 and 1, found -0.1"),
        ({"iou_threshold": math.inf}, "iou_threshold must be between 0 and 1, found inf"),
        ({"max_boxes": 0}, "max_boxes must be between 1 and 1000, found 0"),
        ({"max_boxes": 1001}, "max_boxes must be between 1 and 1000, found 1001"),
        ({"max_candidates": 4097}, "max_candidates must be between 1 and 4096, found 4097"),
        ({"levels": [(8, ("int8", (256, 4, 6), 1.0, 0), LEVEL[2])]}, "classes must be between"),
    ],
)
def test_a_detection_is_refused(change: dict[str, Any], message: str):
    arguments: dict[str, Any] = {
        "levels": [LEVEL],
        "bins": 0,
        "min_logit": 0.0,
        "iou_threshold": 0.5,
        "max_boxes": 5,
        "max_candidates": 1000,
    }
    head = _kernels.FusedHead(32, 24, 1, 1)
    head.add_detection(**arguments)
    with pytest.raises(ValueError, match=message):
        head.add_detection(**arguments | change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"candidates": ("int8", (7, 10, 2), 1.0, 0)}, r"found \(7, 10, 2\)"),
        ({"candidates": ("int8", (4, 10, 1), 1.0, 0)}, "scores of a candidate .*found 0"),
        (
            {"channels_last": True, "candidates": ("int8", (7, 300, 1), 1.0, 0)},
            "between 1 and 255, found 296",
        ),
        ({"candidates": ("int8", (260, 10, 1), 1.0, 0)}, "between 1 and 255, found 256"),
        ({"candidates": ("int8", (7, 2**20 + 1, 1), 1.0, 0)}, "height must be between 1 and"),
        ({"min_score": math.nan}, "logit or score must be a number"),
        ({"max_boxes": 1001}, "max_boxes must be between 1 and 1000, found 1001"),
    ],
)
def test_a_decoded_detection_is_refused(change: dict[str, Any], message: str):
    arguments: dict[str, Any] = {
        "candidates": ("int8", (7, 10, 1), 1.0, 0),
        "channels_last": False,
        "by_centre": True,
        "objectness": False,
        "min_score": 0.3,
        "iou_threshold": 0.5,
        "max_boxes": 5,
        "max_candidates": 1000,
    }
    head = _kernels.FusedHead(32, 24, 1, 1)
    head.add_decoded_detection(**arguments)
    with pytest.raises(ValueError, match=message):
        head.add_decoded_detection(**arguments | change)


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        ([(8, SCORES, SCORES)], "boxes must have 4 channels"),
        ([(8, SCORES, resized(DISTANCES, height=-1))], "the size of its scores"),
        ([LEVEL, (16, VISIBLE, DISTANCES)], "a score for each class"),
        ([(8, ("float64", (2, 4, 6), 1.0, 0), DISTANCES)], "found float64"),
        ([(8, ("int8", (0, 4, 6), 1.0, 0), DISTANCES)], "number of channels"),
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
        (0, [0], [(8, resized(POINTS, height=-1), VISIBLE)], "the stride and the size"),
        (0, [0], [(8, POINTS, resized(VISIBLE, width=-1))], "the stride and the size"),
        (
            0,
            [0],
            [(8, resized(POINTS, channels=-1), VISIBLE)],
            "2 channels of points",
        ),
    ],
)
def test_add_pose_refuses(detection: int, class_ids: list[int], levels: list[Any], message: str):
    head = _kernels.FusedHead(32, 24, 1, 1)
    head.add_detection([LEVEL], 0, 0.0, 0.5, 5, 1000)
    with pytest.raises(ValueError, match=message):
        head.add_pose(detection, class_ids, levels)


def test_levels_of_a_pose_have_the_same_keypoints():
    head = _kernels.FusedHead(32, 24, 1, 1)
    head.add_detection([LEVEL, (16, *LEVEL[1:])], 0, 0.0, 0.5, 5, 1000)
    fewer = 16, resized(POINTS, channels=-2), resized(VISIBLE, channels=-1)
    with pytest.raises(ValueError, match="2 channels of points"):
        head.add_pose(0, [0], [(8, POINTS, VISIBLE), fewer])


def test_add_segmentation_and_classification_refuse():
    with pytest.raises(ValueError, match="classes must be between 1 and 255, found 256"):
        _kernels.FusedHead(32, 24, 1, 1).add_classification(("int8", (256, 1, 1), 1.0, 0), True)

    head = _kernels.FusedHead(32, 24, 1, 1)
    with pytest.raises(ValueError, match="share one channel of logits, found 2"):
        head.add_segmentation(SCORES, True)
    with pytest.raises(ValueError, match="classes must be between 1 and 255, found 256"):
        head.add_segmentation(("int8", (256, 4, 6), 1.0, 0), False)
    with pytest.raises(ValueError, match=r"one logit per class, found \(4, 6\) of them"):
        head.add_classification(SCORES, False)
