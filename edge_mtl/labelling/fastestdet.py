"""`FastestDet`: a small detector of COCO's 80 classes, as an ONNX file.

The network is that of https://github.com/dog-qiuqiu/FastestDet (BSD-3-Clause): one level of cells,
no anchors. Of a cell it gives, as channels: how likely an object is, the box's centre as tanh
offsets from the cell's corner in cells, its width and height as logits of their share of the
picture, and the probabilities of the 80 classes. A cell's score is `object ** 0.6 * class ** 0.4`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from edge_mtl.data.sample import Vocabulary
from edge_mtl.errors import EdgeMtlError
from edge_mtl.labelling.teacher import Findings, FoundBoxes
from edge_mtl.labelling.views import merged, mirrored
from edge_mtl.reference import sigmoid

# In the order of the network's channels, which is that of COCO's category ids.
COCO_CLASSES = (
    *("person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat"),
    *("traffic light", "fire hydrant", "stop sign", "parking meter", "bench"),
    *("bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe"),
    *("backpack", "umbrella", "handbag", "tie", "suitcase"),
    *("frisbee", "skis", "snowboard", "sports ball", "kite"),
    *("baseball bat", "baseball glove", "skateboard", "surfboard", "tennis racket"),
    *("bottle", "wine glass", "cup", "fork", "knife", "spoon", "bowl"),
    *("banana", "apple", "sandwich", "orange", "broccoli"),
    *("carrot", "hot dog", "pizza", "donut", "cake"),
    *("chair", "couch", "potted plant", "bed", "dining table", "toilet"),
    *("tv", "laptop", "mouse", "remote", "keyboard", "cell phone"),
    *("microwave", "oven", "toaster", "sink", "refrigerator"),
    *("book", "clock", "vase", "scissors", "teddy bear", "hair drier", "toothbrush"),
)

_OBJECT, _BOX, _CLASSES = 0, slice(1, 5), slice(5, None)
_OBJECT_POWER, _CLASS_POWER = 0.6, 0.4
_SAME_OBJECT_IOU = 0.45  # the authors' own, of their non-maximum suppression
_LEAST_SCORE = 0.05
_LOG_FATAL = 4


class FastestDet:
    """The network in ONNX Runtime on the CPU, looking at each picture and, where `mirror`, at its
    mirror image.

    Raises:
        EdgeMtlError: the file is missing or is no such network.
    """

    vocabulary = Vocabulary(masks={}, boxes=COCO_CLASSES)

    def __init__(self, path: Path, *, mirror: bool = True, threads: int | None = None) -> None:
        self.name = f"fastestdet:{path}"
        self._mirror = mirror
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or len(os.sched_getaffinity(0))
        options.log_severity_level = _LOG_FATAL  # what fails is raised, and reported once
        try:
            self._session: Any = onnxruntime.InferenceSession(
                path.read_bytes(), options, providers=["CPUExecutionProvider"]
            )
        except OSError as error:
            raise EdgeMtlError(
                f"{path}: expected FastestDet as an ONNX file, found: {error.strerror}; give its "
                "path as fastestdet:FILE.onnx"
            ) from None
        except Exception as error:  # its types have no public base class
            raise EdgeMtlError(
                f"{path}: ONNX Runtime refuses the network ({str(error).splitlines()[0]}); give "
                "FastestDet as an ONNX file"
            ) from error
        self._size = _input_size(path, self._session)

    def __call__(self, image: NDArray[np.uint8], /) -> Findings:
        """image: (H, W, 3) uint8 BGR, stretched to the network's input as in its training."""
        found = [self._look(image)]
        if self._mirror:
            found.append(mirrored(self._look(image[:, ::-1]), image.shape[1]))
        return Findings(boxes=merged(found, _SAME_OBJECT_IOU))

    def close(self) -> None:
        """Release the network."""
        self._session = None

    def _look(self, image: NDArray[np.uint8]) -> FoundBoxes:
        height, width = image.shape[:2]
        picture = cv2.resize(image, self._size, interpolation=cv2.INTER_LINEAR)
        planes = picture.transpose(2, 0, 1)[None].astype(np.float32) / np.float32(255)
        [[cells]] = self._session.run(None, {self._session.get_inputs()[0].name: planes})
        return decode(cells, (width, height))


def decode(cells: NDArray[np.float32], size: tuple[int, int]) -> FoundBoxes:
    """The boxes of all cells with a score worth looking at, before non-maximum suppression.

    cells: (85, h, w), the network's output. size: (width, height) of the picture in pixels.
    """
    rows, columns = cells.shape[1:]
    scores = cells[_OBJECT] ** _OBJECT_POWER * cells[_CLASSES].max(0) ** _CLASS_POWER
    x, y, width, height = cells[_BOX]
    middle_x = (np.tanh(x) + np.arange(columns)) * (size[0] / columns)
    middle_y = (np.tanh(y) + np.arange(rows)[:, None]) * (size[1] / rows)
    half_x, half_y = sigmoid(width) * (size[0] / 2), sigmoid(height) * (size[1] / 2)
    corners = np.stack(
        [middle_x - half_x, middle_y - half_y, middle_x + half_x, middle_y + half_y], -1
    )
    kept = scores >= _LEAST_SCORE
    return FoundBoxes(
        corners[kept].astype(np.float32),
        cells[_CLASSES].argmax(0)[kept],
        scores[kept].astype(np.float32),
    )


def _input_size(path: Path, session: Any) -> tuple[int, int]:
    """(width, height) of the network's input; refuses networks that are no FastestDet."""
    inputs, outputs = session.get_inputs(), session.get_outputs()
    shapes = [list(edge.shape) for edge in (*inputs, *outputs)]
    channels = 5 + len(COCO_CLASSES)
    fits = (
        len(inputs) == len(outputs) == 1
        and all(len(shape) == 4 and all(isinstance(n, int) for n in shape) for shape in shapes)
        and shapes[0][:2] == [1, 3]
        and shapes[1][:2] == [1, channels]
    )
    if not fits:
        raise EdgeMtlError(
            f"{path}: expected FastestDet with an input 1x3xHxW and an output 1x{channels}xhxw, "
            f"found {' and '.join('x'.join(map(str, shape)) for shape in shapes)}; give another "
            "network, or its export with fixed sizes"
        )
    return shapes[0][3], shapes[0][2]
