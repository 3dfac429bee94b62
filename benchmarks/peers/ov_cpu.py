"""OpenVINO on the processor, with OpenCV and NumPy around it.

As its guides say: the latency hint for one frame at a time, the throughput hint and a queue of
asynchronous requests for a clip, tensors shared and not copied. Float is float32 on every
processor: in bfloat16 it would be another network.
https://docs.openvino.ai/2025/openvino-workflow/running-inference/optimize-inference/high-level-performance-hints.html
https://docs.openvino.ai/2025/openvino-workflow/running-inference/optimize-inference/optimizing-latency.html
https://docs.openvino.ai/2025/openvino-workflow/running-inference/optimize-inference/optimizing-throughput.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rivals.opencv_head import open_head
from rivals.opencv_preprocess import TablePreprocess

from edge_mtl.bundle import Bundle
from edge_mtl.scene import Scene
from peers.in_opencv import Infer, around
from peers.job import InStages, Job, RunClip


def around_network(bundle: Callable[[], Bundle]) -> Callable[[Job], InStages]:
    """One frame at a time."""

    def open_peer(job: Job) -> InStages:
        from edge_mtl.runtime.engines.ov import core

        return around(bundle(), infer(core().read_model(bundle().network), job), job)

    return open_peer


def infer(model: Any, job: Job) -> Infer:
    """An `openvino.Model` compiled for latency, and one request of it."""
    compiled = _compiled(model, "LATENCY", job)
    request = compiled.create_infer_request()
    names = [each.get_any_name() for each in compiled.outputs]

    def run(image: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        found = request.infer([image], share_inputs=True, share_outputs=True)
        return dict(zip(names, found.to_tuple(), strict=True))

    return run


def stream(bundle: Callable[[], Bundle]) -> Callable[[Job], RunClip]:
    """For an 8-bit input: as many requests at once as the throughput hint finds best. The head runs
    in their callbacks, while the loop decodes and prepares the next frame."""

    def open_peer(job: Job) -> RunClip:
        import openvino

        from edge_mtl.runtime.engines.ov import core

        opened = bundle()
        tensor, outputs = opened.manifest.input, opened.manifest.outputs
        preprocess = TablePreprocess(opened.spec.input, job.placement, tensor)
        head = open_head(opened.spec, outputs, job.placement, job.mask_size)
        compiled = _compiled(core().read_model(opened.network), "THROUGHPUT", job)
        names = [each.get_any_name() for each in compiled.outputs]
        queue = openvino.AsyncInferQueue(compiled)

        def run(clip: Path) -> int:
            scenes: dict[int, Scene] = {}

            def done(request: Any, index: int) -> None:
                found = [request.get_output_tensor(i).data for i in range(len(names))]
                scenes[index] = head(dict(zip(names, found, strict=True)))

            queue.set_callback(done)
            capture = cv2.VideoCapture(str(clip))
            for index in range(int(capture.get(cv2.CAP_PROP_FRAME_COUNT))):
                frame = np.asarray(capture.read()[1], np.uint8)
                queue.start_async([preprocess(frame)], index)
            queue.wait_all()
            capture.release()
            return len(scenes)

        return run

    return open_peer


def _compiled(model: Any, hint: str, job: Job) -> Any:
    from edge_mtl.runtime.engines.ov import core

    options = {
        "PERFORMANCE_HINT": hint,
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": str(job.threads),
    }
    return core().compile_model(model, "CPU", options)
