"""Labels of every task from what was painted."""

import cv2
import numpy as np

from edge_mtl.data.camvid import BOX_CLASSES, CLASSES, MIN_BOX_AREA_PX
from edge_mtl.data.rendered.canvas import DEPTH_STEPS, Canvas, Code, Pixels
from edge_mtl.data.rendered.look import TIMES, WEATHERS
from edge_mtl.data.sample import IGNORE, Boxes, Vocabulary

VOCABULARY = Vocabulary(
    masks={
        "segmentation": CLASSES,
        "drivable": ("background", "drivable"),
        "lanes": ("background", "lane"),
    },
    boxes=tuple(BOX_CLASSES),
    attributes={"time": TIMES, "weather": WEATHERS},
    planes=("depth",),
)

MIN_VISIBLE = 0.3
"""Boxes need this share of their pixels in the image not covered by others."""

_SURFACES = {
    Code.SKY: "Sky",
    Code.FAR_BUILDING: "Building",
    Code.FAR_TREE: "Tree",
    Code.ROAD: "Road",
    Code.ROAD_MARKING: "Road",
    Code.OWN_ROAD: "Road",
    Code.OWN_MARKING: "Road",
    Code.PAVEMENT: "Pavement",
    Code.VERGE: "Tree",
    Code.FACADE: "Building",
    Code.LIT_WINDOW: "Building",
    Code.HEDGE: "Tree",
}
_STEPPED = {Code.TREE: "Tree", Code.POLE: "Pole", Code.FENCE: "Fence"}


def _static_classes() -> Pixels:
    names = VOCABULARY.masks["segmentation"]
    table = np.full(256, IGNORE, np.uint8)
    for code, name in _SURFACES.items():
        table[code] = names.index(name)
    for code, name in _STEPPED.items():
        table[code : code + DEPTH_STEPS] = names.index(name)
    return table


def _flags(*codes: Code) -> Pixels:
    table = np.zeros(256, np.uint8)
    table[list(codes)] = 1
    return table


_STATIC = _static_classes()
_DRIVABLE = _flags(Code.OWN_ROAD, Code.OWN_MARKING)
_LANES = _flags(Code.ROAD_MARKING, Code.OWN_MARKING)

# A keypoint counts as seen where any of the nine pixels around it shows its body.
_NEAR_ROWS, _NEAR_COLUMNS = np.mgrid[-1:2, -1:2].reshape(2, 9)


def masks_of(canvas: Canvas, codes: Pixels) -> dict[str, Pixels]:
    """The masks (H, W) by name; codes: the canvas's fourth channel."""
    names = VOCABULARY.masks["segmentation"]
    table = _STATIC.copy()
    for thing in canvas.things:
        table[thing.code] = names.index(BOX_CLASSES[thing.kind])
    return {
        "segmentation": cv2.LUT(codes, table),
        "drivable": cv2.LUT(codes, _DRIVABLE),
        "lanes": cv2.LUT(codes, _LANES),
    }


def boxes_of(canvas: Canvas, codes: Pixels) -> Boxes:
    """Boxes of what can be seen: each holds all of its object that is in the image, covered or
    not; keypoints that something else covers have visibility 1."""
    counts = cv2.calcHist([codes], [0], None, [256], [0, 256]).ravel()
    last_row, last_column = codes.shape[0] - 1, codes.shape[1] - 1
    corners, class_ids, keypoints = [], [], []
    for thing in canvas.things:
        visible = counts[thing.code]
        if visible < MIN_BOX_AREA_PX or visible < MIN_VISIBLE * thing.area:
            continue
        corners.append(thing.box)
        class_ids.append(VOCABULARY.boxes.index(thing.kind))
        points = np.zeros((17, 3), np.float32)
        if thing.keypoints is not None:
            points = thing.keypoints.copy()
            columns, rows = points[:, :2].astype(int).T
            near_rows, near_columns = rows[:, None] + _NEAR_ROWS, columns[:, None] + _NEAR_COLUMNS
            around = codes[near_rows.clip(0, last_row), near_columns.clip(0, last_column)]
            covered = (around != thing.code).all(axis=1)
            points[covered & (points[:, 2] == 2), 2] = 1
        keypoints.append(points)
    return Boxes(
        np.array(corners, np.float32).reshape(-1, 4),
        np.array(class_ids, np.int64),
        np.array(keypoints, np.float32).reshape(-1, 17, 3),
    )
