"""`HeadPlan` of kernels/head_plan.h: what the head kernel on a GPU reads, byte for byte.

It holds addresses, of raw outputs and of results, in whatever memory the kernel runs on.
"""

from __future__ import annotations

import ctypes

from edge_mtl.spec import MAX_FRAMES, MAX_TASKS

MAX_LEVELS = 4
CANDIDATE_BYTES = 16
DTYPES = {"float32": 0, "uint8": 1, "int8": 2, "float16": 3}  # of kernels/raw_tensor.h

_Address, _Int, _Float = ctypes.c_void_p, ctypes.c_int32, ctypes.c_float


class DeviceTensor(ctypes.Structure):
    _fields_ = [
        ("data", _Address),
        ("dtype", _Int),
        ("channels", _Int),
        ("height", _Int),
        ("width", _Int),
        ("scale", _Float),
        ("zero_point", _Int),
    ]


class MaskPlan(ctypes.Structure):
    _fields_ = [
        ("logits", DeviceTensor),
        ("binary", _Int),
        ("labels", _Address * MAX_FRAMES),
        ("height", _Int * MAX_FRAMES),
        ("width", _Int * MAX_FRAMES),
    ]


class LevelPlan(ctypes.Structure):
    _fields_ = [
        ("stride", _Int),
        ("first_cell", _Int),
        ("scores", DeviceTensor),
        ("boxes", DeviceTensor),
    ]


class DecodedPlan(ctypes.Structure):
    _fields_ = [
        ("tensor", DeviceTensor),
        ("channels_last", _Int),
        ("by_centre", _Int),
        ("objectness", _Int),
    ]


class BoxPlan(ctypes.Structure):
    _fields_ = [
        ("levels", _Int),
        ("bins", _Int),
        ("max_boxes", _Int),
        ("max_candidates", _Int),
        ("cells", _Int),
        ("min_logit", _Float),
        ("iou_threshold", _Float),
        ("level", LevelPlan * MAX_LEVELS),
        ("decoded", DecodedPlan),
        ("counts", _Address),
        ("candidates", _Address),
        ("boxes", _Address),
        ("scores", _Address),
        ("class_ids", _Address),
        ("found", _Address),
        ("kept_cells", _Address),
    ]


class PoseLevelPlan(ctypes.Structure):
    _fields_ = [("points", DeviceTensor), ("visible", DeviceTensor)]


class PosePlan(ctypes.Structure):
    _fields_ = [
        ("detection", _Int),
        ("keypoints", _Int),
        ("has_keypoints", _Address),
        ("level", PoseLevelPlan * MAX_LEVELS),
        ("rows", _Address),
        ("points", _Address),
        ("scores", _Address),
        ("found", _Address),
    ]


class ClassPlan(ctypes.Structure):
    _fields_ = [("logits", DeviceTensor), ("multi_label", _Int), ("scores", _Address)]


class HeadPlan(ctypes.Structure):
    _fields_ = [
        ("frames", _Int),
        ("network_width", _Int),
        ("network_height", _Int),
        ("masks", _Int),
        ("detections", _Int),
        ("poses", _Int),
        ("classifications", _Int),
        ("placement", (_Int * 6) * MAX_FRAMES),
        ("mask", MaskPlan * MAX_TASKS),
        ("detection", BoxPlan * MAX_TASKS),
        ("pose", PosePlan * MAX_TASKS),
        ("classification", ClassPlan * MAX_TASKS),
    ]
