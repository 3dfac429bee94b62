"""OpenCV's own DNN module, with OpenCV and NumPy around it.

Its defaults are what its documentation has for the processor: `DNN_BACKEND_OPENCV`, layers fused,
Winograd on, and of OpenCV 5's two engines the one that it chooses, the new one where that can run
the graph.
https://docs.opencv.org/5.x/d6/d0f/group__dnn.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_mtl.bundle import Bundle
from peers.in_opencv import around
from peers.job import InStages, Job


def around_network(bundle: Callable[[], Bundle]) -> Callable[[Job], InStages]:
    return lambda job: _open(bundle(), job)


def _open(bundle: Bundle, job: Job) -> InStages:
    cv2.setNumThreads(job.threads)
    network: Any = cv2.dnn.readNetFromONNX(np.frombuffer(bundle.network, np.uint8))
    names = [tensor.name for tensor in bundle.manifest.outputs]

    def infer(image: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        network.setInput(image)
        return dict(zip(names, network.forward(names), strict=True))

    return around(bundle, infer, job)
