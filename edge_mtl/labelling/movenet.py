"""`MoveNet`: the keypoints of one person, as a TFLite file (Lightning or Thunder, single pose).

The network (https://www.kaggle.com/models/google/movenet, Apache-2.0) takes a square RGB picture of
a person in its middle, and gives COCO's 17 keypoints, each y, x from 0 to 1 and a score.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_mtl.errors import EdgeMtlError
from edge_mtl.tasks import KEYPOINTS

_MARGIN = 1.25  # of the longer side of the box: it is trained on crops with some street around
_OUTPUT = [1, 1, len(KEYPOINTS), 3]


class MoveNet:
    """The network in LiteRT on the CPU.

    Raises:
        ModuleNotFoundError: `ai_edge_litert` is not installed.
        EdgeMtlError: the file is missing or is no such network.
    """

    def __init__(self, path: Path, *, threads: int | None = None) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self.name = f"movenet:{path}"
        try:
            # Not model_path: the interpreter takes a missing file for a broken one.
            network = path.read_bytes()
        except OSError as error:
            raise EdgeMtlError(
                f"{path}: expected MoveNet as a TFLite file, found: {error.strerror}; give its "
                "path as movenet:FILE.tflite"
            ) from None
        try:
            self._interpreter: Any = Interpreter(model_content=network, num_threads=threads)
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise EdgeMtlError(
                f"{path}: LiteRT refuses the network ({str(error).splitlines()[0]}); give MoveNet "
                "as a TFLite file"
            ) from error
        self._input, self._output = _edges(path, self._interpreter)

    def keypoints(
        self, image: NDArray[np.uint8], corners: NDArray[np.float32], /
    ) -> NDArray[np.float32]:
        """image: (H, W, 3) uint8 BGR; corners: (N, 4), a person each. (N, 17, 3) float32 in the
        order of `KEYPOINTS`: x y in pixels and how sure it is, in [0, 1]."""
        found = np.zeros((len(corners), len(KEYPOINTS), 3), np.float32)
        side = int(self._input["shape"][1])
        for person, box in zip(found, corners, strict=True):
            x, y, pixels = crop_square(box)
            rgb = _cropped(image, x, y, pixels, side)[None, :, :, ::-1]
            self._interpreter.set_tensor(
                self._input["index"], np.ascontiguousarray(rgb, self._input["dtype"])
            )
            self._interpreter.invoke()
            down, across, score = self._interpreter.get_tensor(self._output["index"])[0, 0].T
            person[:] = np.stack([x + across * pixels, y + down * pixels, score], 1)
        return found

    def close(self) -> None:
        """Release the network."""
        self._interpreter = None


def crop_square(box: NDArray[np.float32]) -> tuple[int, int, int]:
    """The upper left corner x, y and the side, in whole pixels, of a square around the middle of a
    box (4,), with a margin; it may lie beyond the edge of the picture."""
    x1, y1, x2, y2 = box.tolist()
    side = max(1, round(max(x2 - x1, y2 - y1) * _MARGIN))
    return round((x1 + x2 - side) / 2), round((y1 + y2 - side) / 2), side


def _cropped(image: NDArray[np.uint8], x: int, y: int, pixels: int, side: int) -> NDArray[np.uint8]:
    """(side, side, 3): a square of the picture, black where it lies outside."""
    height, width = image.shape[:2]
    square = np.zeros((pixels, pixels, 3), np.uint8)
    left, top = max(x, 0), max(y, 0)
    inside = image[top : min(y + pixels, height), left : min(x + pixels, width)]
    square[top - y :, left - x :][: inside.shape[0], : inside.shape[1]] = inside
    # Bilinear sampling would skip pixels of large people.
    way = cv2.INTER_AREA if pixels > side else cv2.INTER_LINEAR
    return cast("NDArray[np.uint8]", cv2.resize(square, (side, side), interpolation=way))


def _edges(path: Path, interpreter: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """What LiteRT says of the network's input and output; refuses networks that are no MoveNet."""
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    shapes = [each["shape"].tolist() for each in (*inputs, *outputs)]
    fits = (
        len(inputs) == len(outputs) == 1
        and len(shapes[0]) == 4
        and shapes[0] == [1, shapes[0][1], shapes[0][1], 3]
        and shapes[1] == _OUTPUT
    )
    if not fits:
        raise EdgeMtlError(
            f"{path}: expected MoveNet for one person, with an input 1xSxSx3 and an output "
            f"{'x'.join(map(str, _OUTPUT))}, found "
            f"{' and '.join('x'.join(map(str, shape)) for shape in shapes)}; give another network"
        )
    return inputs[0], outputs[0]
