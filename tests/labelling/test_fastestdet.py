from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from edge_mtl.errors import EdgeMtlError

cv2 = pytest.importorskip("cv2", reason="OpenCV, of the extra cpu, is not installed")
pytest.importorskip("onnxruntime", reason="the extra cpu is not installed")
onnx = pytest.importorskip("onnx", reason="onnx, of the extra export, makes the test network")

from edge_mtl.evaluation.matching import iou, match  # noqa: E402
from edge_mtl.labelling.fastestdet import COCO_CLASSES, FastestDet, decode  # noqa: E402

DATA = Path(
    os.environ.get("EDGE_MTL_DATA", Path(__file__).resolve().parents[3] / "shared" / "data")
)
NETWORK = DATA.parent / "peers" / "fastestdet_352.onnx"
CAR = COCO_CLASSES.index("car")


def cells_with_a_car(rows: int = 4, columns: int = 4) -> np.ndarray:
    """A car in row 1, column 0: its centre half a cell to the right and below of the cell's corner,
    its sides half of the picture's and a quarter."""
    cells = np.zeros((85, rows, columns), np.float32)
    cells[5] = 1.0  # "person" everywhere, but no object
    cells[:, 1, 0] = 0.0
    cells[0, 1, 0] = 0.9
    cells[1:3, 1, 0] = np.arctanh(0.5)
    cells[3:5, 1, 0] = 0.0, np.log(1 / 3)
    cells[5 + CAR, 1, 0] = 0.8
    return cells


def make_network(path: Path, cells: np.ndarray, channels: int = 3) -> Path:
    """A network that gives these cells for a grey picture, and a lower score for a darker one."""
    rows, columns = cells.shape[1:]
    kinds = onnx.TensorProto.FLOAT
    shape = (1, channels, rows * 16, columns * 16)
    edges = [
        onnx.helper.make_tensor_value_info("picture", kinds, shape),
        onnx.helper.make_tensor_value_info("cells", kinds, (1, *cells.shape)),
    ]
    nodes = [
        onnx.helper.make_node("ReduceMax", ["picture"], ["brightest"], keepdims=1),
        onnx.helper.make_node("Mul", ["object", "brightest"], ["seen"]),
        onnx.helper.make_node("Concat", ["seen", "rest"], ["cells"], axis=1),
    ]
    values = {"object": cells[None, :1], "rest": cells[None, 1:]}
    constants = [onnx.numpy_helper.from_array(value, name) for name, value in values.items()]
    graph = onnx.helper.make_graph(nodes, "cells", edges[:1], edges[1:], constants)
    opset = [onnx.helper.make_opsetid("", 13)]
    model: Any = onnx.helper.make_model(graph, opset_imports=opset, ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


def test_a_cell_is_decoded() -> None:
    found = decode(cells_with_a_car(), (200, 80))
    assert_array_equal(found.class_ids, [CAR])
    assert_allclose(found.scores, [0.9**0.6 * 0.8**0.4], rtol=1e-6)
    # The centre at half a cell of 50 pixels and one and a half of 20; 100 x 20 pixels large.
    assert_allclose(found.corners, [[25 - 50, 30 - 10, 25 + 50, 30 + 10]], atol=1e-4)


def test_it_sees_the_picture_and_its_mirror_image(tmp_path: Path) -> None:
    """A network that always sees a car on the left is half sure of it, and of one on the right."""
    path = make_network(tmp_path / "car.onnx", cells_with_a_car())
    white = np.full((80, 200, 3), 255, np.uint8)
    straight = FastestDet(path, mirror=False, threads=1)(white).boxes
    both = FastestDet(path, threads=1)(white).boxes
    assert straight is not None
    assert both is not None
    score = 0.9**0.6 * 0.8**0.4
    assert_allclose(straight.scores, [score], rtol=1e-5)
    assert_allclose(both.scores, [score / 2] * 2, rtol=1e-5)
    assert_allclose(sorted(both.corners[:, 0]), [-25, 125], atol=1e-3)


def test_pictures_are_bgr_from_0_to_1(tmp_path: Path) -> None:
    path = make_network(tmp_path / "car.onnx", cells_with_a_car())
    grey = np.full((30, 30, 3), 51, np.uint8)  # a fifth of white
    found = FastestDet(path, mirror=False, threads=1)(grey).boxes
    assert found is not None
    assert_allclose(found.scores, [(0.9 / 5) ** 0.6 * 0.8**0.4], rtol=1e-5)


def test_other_networks_are_refused(tmp_path: Path) -> None:
    path = make_network(tmp_path / "grey.onnx", cells_with_a_car(), channels=1)
    with pytest.raises(EdgeMtlError, match="found 1x1x64x64 and 1x85x4x4"):
        FastestDet(path)
    path = make_network(tmp_path / "voc.onnx", cells_with_a_car()[:25])
    with pytest.raises(EdgeMtlError, match="output 1x85xhxw, found 1x3x64x64 and 1x25x4x4"):
        FastestDet(path)
    path.write_bytes(b"not a network")
    with pytest.raises(EdgeMtlError, match="ONNX Runtime refuses the network"):
        FastestDet(path)
    with pytest.raises(EdgeMtlError, match="No such file"):
        FastestDet(tmp_path / "none.onnx")


@pytest.mark.skipif(
    not NETWORK.is_file() or not (DATA / "coco128").is_dir(),
    reason="needs FastestDet and coco128 under EDGE_MTL_DATA or ../shared",
)
def test_the_real_network_finds_what_people_labelled() -> None:
    """On 153 pictures it finds 26 % of the objects at 0.65, and 72 % of its boxes are right."""
    teacher = FastestDet(NETWORK, threads=1)
    right = found = labelled = 0
    for path in sorted((DATA / "coco128" / "val" / "images").glob("*.jpg"))[:10]:
        image = cv2.imread(str(path))
        height, width = image.shape[:2]
        rows = np.loadtxt(path.parents[1] / "labels" / f"{path.stem}.txt", ndmin=2)
        half = rows[:, 3:] / 2
        truth = np.concatenate([rows[:, 1:3] - half, rows[:, 1:3] + half], 1)
        boxes = teacher(image).boxes
        assert boxes is not None
        sure = boxes.scores >= 0.65
        overlaps = iou(
            boxes.corners[sure],
            (truth * np.array([width, height, width, height])).astype(np.float32),
        )
        same = boxes.class_ids[sure][:, None] == rows[None, :, 0]
        right += int((match(overlaps * same, 0.5) >= 0).sum())
        found += int(sure.sum())
        labelled += len(rows)
    assert found > 15
    assert right > 0.6 * found
    assert right > 0.15 * labelled
