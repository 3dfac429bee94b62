"""Frame to scene as it is usually written: OpenCV and NumPy, or torch, around an engine as it is
opened by its own tutorial, with as many threads as everybody has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from edge_mtl.bundle import Bundle
from edge_mtl.network.network import Network
from edge_mtl.placement import Placement
from edge_mtl.scene import Scene
from rivals.opencv_preprocess import BlobPreprocess, TablePreprocess

SeeFrame: TypeAlias = Callable[[NDArray[np.uint8]], Scene]
Infer: TypeAlias = Callable[[NDArray[Any]], Mapping[str, NDArray[Any]]]


def around_torch(
    network: Network, placement: Placement, mask_size: tuple[int, int], threads: int
) -> SeeFrame:
    """torch in eager mode, with OpenCV's letterbox and `blobFromImage`."""
    import torch

    from rivals.torch_head import open_head

    torch.set_num_threads(threads)
    spec = network.spec
    network.eval()
    preprocess = BlobPreprocess(spec.input, placement, spec.input_tensor)
    head = open_head(spec, spec.output_tensors, placement, mask_size)

    @torch.inference_mode()
    def see(frame: NDArray[np.uint8]) -> Scene:
        return head(network(torch.from_numpy(preprocess(frame))))

    return see


def around_onnxruntime(
    bundle: Bundle, placement: Placement, mask_size: tuple[int, int], threads: int
) -> SeeFrame:
    """ONNX Runtime with OpenCV and NumPy."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        bundle.network, options, providers=["CPUExecutionProvider"]
    )
    name = session.get_inputs()[0].name
    names = [each.name for each in session.get_outputs()]

    def infer(image: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        return dict(zip(names, session.run(names, {name: image}), strict=True))

    return _in_opencv(bundle, infer, placement, mask_size)


def around_openvino(
    bundle: Bundle, placement: Placement, mask_size: tuple[int, int], threads: int
) -> SeeFrame:
    """OpenVINO with OpenCV and NumPy."""
    import openvino

    core = openvino.Core()
    options = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": str(threads)}
    compiled = core.compile_model(core.read_model(bundle.network), "CPU", options)
    request = compiled.create_infer_request()
    names = [each.get_any_name() for each in compiled.outputs]

    def infer(image: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        found = request.infer([image], share_inputs=True, share_outputs=True)
        return dict(zip(names, found.to_tuple(), strict=True))

    return _in_opencv(bundle, infer, placement, mask_size)


def _in_opencv(
    bundle: Bundle, infer: Infer, placement: Placement, mask_size: tuple[int, int]
) -> SeeFrame:
    from rivals.opencv_head import open_head

    spec, tensor = bundle.spec, bundle.manifest.input
    kind = BlobPreprocess if tensor.dtype == "float32" else TablePreprocess
    preprocess = kind(spec.input, placement, tensor)
    head = open_head(spec, bundle.manifest.outputs, placement, mask_size)
    return lambda frame: head(infer(preprocess(frame)))
