"""OpenVINO on the processor with preprocessing inside its graph, OpenCV and NumPy behind it.

Its guide has resizing, layout, colour and normalisation made part of the network by
`PrePostProcessor`; the frame goes in as it is, and its preparation is the engine's time. It
prepares floats, so the network has float edges here and quantises its input itself. Frames of 8
bits it resizes without rounding to the nearest: an eighth of the values are one level darker. Set
up as in `peers.ov_cpu` otherwise.
https://docs.openvino.ai/2025/openvino-workflow/running-inference/optimize-inference/optimize-preprocessing.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from float_edges import with_float_edges
from rivals.opencv_head import open_head

from edge_mtl.bundle import Bundle
from peers.job import InStages, Job
from peers.ov_cpu import infer


def around_network(bundle: Callable[[], Bundle]) -> Callable[[Job], InStages]:
    """For a bundle with 8-bit edges."""

    def open_peer(job: Job) -> InStages:
        opened = with_float_edges(bundle())
        head = open_head(opened.spec, opened.manifest.outputs, job.placement, job.mask_size)
        return InStages(lambda frame: frame[None], infer(_model(opened, job), job), head)

    return open_peer


def _model(bundle: Bundle, job: Job) -> Any:
    """The network behind its preprocessing; frames are shrunk first, in 8 bits."""
    from openvino import Layout, Type
    from openvino.preprocess import ColorFormat, PaddingMode, PrePostProcessor, ResizeAlgorithm

    from edge_mtl.runtime.engines.ov import core

    size, placement = bundle.spec.input, job.placement
    width, height = placement.frame_size
    below = size.height - placement.y - placement.height
    right = size.width - placement.x - placement.width
    processor = PrePostProcessor(core().read_model(bundle.network))
    given = processor.input().tensor()
    given.set_element_type(Type.u8).set_shape([1, height, width, 3])
    given.set_layout(Layout("NHWC")).set_color_format(ColorFormat.BGR)
    processor.input().model().set_layout(Layout("NCHW"))
    steps = processor.input().preprocess()
    steps.resize(ResizeAlgorithm.RESIZE_LINEAR, placement.height, placement.width)
    steps.convert_element_type(Type.f32)  # it pads nothing else
    ends = [0, placement.y, placement.x, 0], [0, below, right, 0]
    steps.pad(*ends, float(size.pad), PaddingMode.CONSTANT)
    steps.convert_color(ColorFormat.RGB)
    steps.mean([255 * each for each in size.mean]).scale([255 * each for each in size.std])
    return processor.build()
