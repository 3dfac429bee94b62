from __future__ import annotations

import os
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from edge_mtl.errors import EdgeMtlError
from edge_mtl.extras import explain
from edge_mtl.tasks import KEYPOINTS

cv2 = pytest.importorskip("cv2", reason="OpenCV, of the extra cpu, is not installed")

from edge_mtl.labelling.movenet import MoveNet, crop_square  # noqa: E402

DATA = Path(
    os.environ.get("EDGE_MTL_DATA", Path(__file__).resolve().parents[3] / "shared" / "data")
)
NETWORK = DATA.parent / "peers" / "movenet_lightning_192.tflite"
SIDE = 8
NOSE = KEYPOINTS.index("nose")


class Interpreter:
    """Finds the brightest pixel of the red plane, and calls it the nose."""

    output_shape = (1, 1, 17, 3)

    def __init__(self, model_content: bytes, num_threads: int | None) -> None:
        if model_content != b"network":
            raise ValueError("Model provided has model identifier 'not '")

    def allocate_tensors(self) -> None: ...

    def get_input_details(self) -> list[dict[str, Any]]:
        return [{"index": 4, "shape": np.array([1, SIDE, SIDE, 3]), "dtype": np.uint8}]

    def get_output_details(self) -> list[dict[str, Any]]:
        return [{"index": 7, "shape": np.array(self.output_shape), "dtype": np.float32}]

    def set_tensor(self, index: int, value: np.ndarray) -> None:
        assert (index, value.shape, value.dtype) == (4, (1, SIDE, SIDE, 3), np.uint8)
        self.picture = value[0]

    def invoke(self) -> None:
        red = self.picture[:, :, 0]
        y, x = np.unravel_index(red.argmax(), red.shape)
        self.found = np.zeros((1, 1, 17, 3), np.float32)
        self.found[0, 0, NOSE] = (y + 0.5) / SIDE, (x + 0.5) / SIDE, red.max() / 255

    def get_tensor(self, index: int) -> np.ndarray:
        assert index == 7
        return self.found


@pytest.fixture
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    module = types.ModuleType("ai_edge_litert.interpreter")
    module.Interpreter = Interpreter  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ai_edge_litert", types.ModuleType("ai_edge_litert"))
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", module)
    path = tmp_path / "network.tflite"
    path.write_bytes(b"network")
    return path


@pytest.mark.parametrize(
    ("box", "square"),
    [
        ((40, 10, 60, 50), (25, 5, 50)),  # 1.25 of its height, around 50, 30
        ((0, 0, 64, 32), (-8, -24, 80)),  # beyond the edge of the picture
        ((5, 5, 5.2, 5.1), (5, 5, 1)),
    ],
)
def test_the_square_around_a_box(box: tuple[float, ...], square: tuple[int, int, int]) -> None:
    assert crop_square(np.array(box, np.float32)) == square


def test_points_are_in_pixels_of_the_picture(network: Path) -> None:
    """The crop of 16 pixels from (2, 2) on is shrunk to 8: the red spot fills one of its pixels."""
    image = np.zeros((40, 60, 3), np.uint8)
    image[8:10, 12:14, 2] = 200
    image[4, 4, 0] = 255  # blue is not looked at
    box = np.array([[3.6, 3.6, 16.4, 16.4]], np.float32)
    found = MoveNet(network, threads=1).keypoints(image, box)
    assert found.shape == (1, 17, 3)
    assert_allclose(found[0, NOSE], [13, 9, 200 / 255], rtol=1e-6)
    assert not found[0, NOSE + 1 :, 2].any()


def test_people_at_the_edge_are_cropped_with_black_around(network: Path) -> None:
    image = np.zeros((40, 60, 3), np.uint8)
    image[0:2, 0:2, 2] = 100
    image[38:, 58:, 2] = 150
    boxes = np.array([[-6.4, -6.4, 6.4, 6.4], [53.6, 33.6, 66.4, 46.4]], np.float32)
    found = MoveNet(network).keypoints(image, boxes)
    assert_allclose(found[:, NOSE], [[1, 1, 100 / 255], [59, 39, 150 / 255]], rtol=1e-6)
    assert MoveNet(network).keypoints(image, boxes[:0]).shape == (0, 17, 3)


def test_other_networks_are_refused(network: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EdgeMtlError, match="No such file"):
        MoveNet(network.with_name("none.tflite"))
    monkeypatch.setattr(Interpreter, "output_shape", (1, 6, 56))  # that of several people
    with pytest.raises(EdgeMtlError, match="output 1x1x17x3, found 1x8x8x3 and 1x6x56"):
        MoveNet(network)
    network.write_bytes(b"nothing")
    with pytest.raises(EdgeMtlError, match="LiteRT refuses the network"):
        MoveNet(network)


def test_where_litert_is_missing_the_error_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    with pytest.raises(ImportError) as caught:
        MoveNet(tmp_path / "network.tflite")
    assert "needs ai_edge_litert, which is missing: pip install" in str(explain(caught.value))


@pytest.mark.skipif(
    not NETWORK.is_file() or not (DATA / "coco128").is_dir(),
    reason="needs MoveNet and coco128 under EDGE_MTL_DATA or ../shared",
)
def test_the_real_network_finds_people_the_right_way_up() -> None:
    pytest.importorskip("ai_edge_litert", reason="the extra labels is not installed")
    teacher = MoveNet(NETWORK, threads=1)
    upright = people = 0
    for path in sorted((DATA / "coco128" / "train" / "images").glob("*.jpg"))[:24]:
        image = cv2.imread(str(path))
        height, width = image.shape[:2]
        rows = np.loadtxt(path.parents[1] / "labels" / f"{path.stem}.txt", ndmin=2)
        half = rows[:, 3:] / 2
        corners = np.concatenate([rows[:, 1:3] - half, rows[:, 1:3] + half], 1)
        corners *= np.array([width, height, width, height])
        tall = (rows[:, 0] == 0) & (corners[:, 3] - corners[:, 1] > 120)
        points = teacher.keypoints(image, corners[tall].astype(np.float32))
        body = points[:, [KEYPOINTS.index(name) for name in ("nose", "left_hip", "left_ankle")]]
        sure = (body[:, :, 2] > 0.3).all(1)
        people += int(sure.sum())
        upright += int((np.diff(body[sure, :, 1], axis=1) > 0).all(1).sum())
    assert people >= 5
    assert upright >= 0.8 * people
