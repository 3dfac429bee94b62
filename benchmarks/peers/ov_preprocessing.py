"""OpenVINO on the processor with preprocessing inside its graph, OpenCV and NumPy behind it.

Its guide has resizing, layout, colour and normalisation made part of the network by
`PrePostProcessor`; the frame goes in as it is, and its preparation is the engine's time. Set up as
in `peers.ov_cpu` otherwise.
https://docs.openvino.ai/2025/openvino-workflow/running-inference/optimize-inference/optimize-preprocessing.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from rivals.opencv_head import open_head

from edge_mtl.bundle import Bundle
from peers.job import InStages, Job
from peers.ov_cpu import infer


def around_network(bundle: Callable[[], Bundle]) -> Callable[[Job], InStages]:
    """For an 8-bit input."""

    def open_peer(job: Job) -> InStages:
        opened = bundle()
        head = open_head(opened.spec, opened.manifest.outputs, job.placement, job.mask_size)
        return InStages(lambda frame: frame[None], infer(_model(opened, job), job), head)

    return open_peer


def _model(bundle: Bundle, job: Job) -> Any:
    """The network behind its preprocessing; frames are shrunk first, in 8 bits."""
    from openvino import Layout, Type, opset13
    from openvino.preprocess import ColorFormat, PaddingMode, PrePostProcessor, ResizeAlgorithm

    from edge_mtl.runtime.engines.ov import core

    size, tensor, placement = bundle.spec.input, bundle.manifest.input, job.placement
    width, height = placement.frame_size
    below = size.height - placement.y - placement.height
    right = size.width - placement.x - placement.width
    processor = PrePostProcessor(core().read_model(bundle.network))
    given = processor.input().tensor()
    given.set_element_type(Type.u8).set_shape([1, height, width, 3])
    given.set_layout(Layout("NHWC")).set_color_format(ColorFormat.BGR)
    processor.input().model().set_layout(Layout("NCHW"))

    def quantised(values: Any) -> Any:
        steps = opset13.add(opset13.round(values, "half_to_even"), np.float32(tensor.zero_point))
        return opset13.convert(opset13.clamp(steps, 0.0, 255.0), "u8").output(0)

    steps = processor.input().preprocess()
    steps.resize(ResizeAlgorithm.RESIZE_LINEAR, placement.height, placement.width)
    ends = [0, placement.y, placement.x, 0], [0, below, right, 0]
    steps.convert_element_type(Type.f32)  # it pads nothing else
    steps.pad(*ends, float(size.pad), PaddingMode.CONSTANT)
    steps.convert_color(ColorFormat.RGB)
    steps.mean([255 * each for each in size.mean])
    steps.scale([255 * each * tensor.scale for each in size.std])
    steps.custom(quantised)
    return processor.build()
