"""Other ways to do what the fused head does, opened for the tasks of `kernel_inputs`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

from head_result import HeadResult
from kernel_inputs import PLACEMENT, SPEC, THREADS, Dtype, HeadInputs
from numpy.typing import NDArray

Compute: TypeAlias = Callable[[Mapping[str, NDArray[Any]]], HeadResult]


class Rival(NamedTuple):
    """open: of the raw outputs, the masks' (width, height) and `way`.

    needs: the packages without which there is none.
    wanted: how many times as fast the kernels are to be, from float and from 8 bits, on logits of a
        trained network. Only the usual way to write it has a mark to reach; what is cleverer, or
        computed by a graph, is there to be known.
    """

    open: Callable[[HeadInputs, tuple[int, int], str], Compute]
    way: str
    needs: tuple[str, ...]
    wanted: dict[Dtype, float]


def _in_opencv(inputs: HeadInputs, mask_size: tuple[int, int], way: str) -> Compute:
    from rivals.opencv_head import open_head

    head = open_head(SPEC, inputs.tensors, PLACEMENT, mask_size, way)
    return lambda raw: HeadResult.of(head(raw))


def _in_torch(inputs: HeadInputs, mask_size: tuple[int, int], way: str) -> Compute:
    import torch
    from rivals.torch_head import open_head

    torch.set_num_threads(THREADS)
    head = open_head(SPEC, inputs.tensors, PLACEMENT, mask_size, way)

    def compute(raw: Mapping[str, NDArray[Any]]) -> HeadResult:
        return HeadResult.of(head({name: torch.from_numpy(values) for name, values in raw.items()}))

    return compute


def _in_the_graph(inputs: HeadInputs, mask_size: tuple[int, int], way: str) -> Compute:
    from rivals.graph_runtimes import open_graph
    from rivals.head_graph import head_graph, scene_of

    model = head_graph(SPEC, inputs.tensors, PLACEMENT, mask_size)
    infer = open_graph(model, way, THREADS)
    return lambda raw: HeadResult.of(scene_of(SPEC, PLACEMENT, infer(raw)))


RIVALS = {
    "OpenCV, NumPy argmax": Rival(_in_opencv, "argmax", (), {"float32": 30, "uint8": 60}),
    "OpenCV, running maximum": Rival(_in_opencv, "running maximum", (), {}),
    "PyTorch argmax": Rival(_in_torch, "argmax", ("torch",), {"float32": 150, "uint8": 300}),
    "PyTorch max": Rival(_in_torch, "max", ("torch",), {}),
    "graph, ONNX Runtime": Rival(_in_the_graph, "onnxruntime", ("onnx", "onnxruntime"), {}),
    "graph, OpenVINO": Rival(_in_the_graph, "openvino", ("onnx", "openvino"), {}),
}
