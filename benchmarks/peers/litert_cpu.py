"""LiteRT on the processor, with OpenCV and NumPy around it.

Converted from torch by `litert_torch`, and run by `CompiledModel`, which its guide recommends; it
computes in XNNPACK, on buffers that stay. Its INT8 comes from its own quantiser and would be
another network; its converter reads no ONNX.
https://ai.google.dev/edge/litert/next/python
https://ai.google.dev/edge/litert/models/convert_pytorch
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import shipped
from numpy.typing import NDArray

from peers.in_opencv import around
from peers.job import InStages, Job


def fp32(job: Job) -> InStages:
    from ai_edge_litert.compiled_model import CompiledModel
    from ai_edge_litert.cpu_options import CpuOptions
    from ai_edge_litert.options import Options

    bundle = shipped.fp32()
    options = Options(cpu_options=CpuOptions(num_threads=job.threads))
    with tempfile.TemporaryDirectory() as folder:
        model: Any = CompiledModel.from_file(str(_converted(Path(folder))), options=options)
    [(key, signature)] = model.get_signature_list().items()
    [name] = signature["inputs"]
    given = {name: model.create_input_buffer_by_name(key, name)}
    outputs = {each.name: each.shape for each in bundle.manifest.outputs}
    found = {each: model.create_output_buffer_by_name(key, each) for each in outputs}

    def infer(image: NDArray[np.float32]) -> Mapping[str, NDArray[Any]]:
        given[name].write(image)
        model.run_by_name(key, given, found)
        return {
            each: found[each].read(int(np.prod(shape)), np.float32).reshape(shape)
            for each, shape in outputs.items()
        }

    return around(bundle, infer, job)


def _converted(folder: Path) -> Path:
    """The network in LiteRT's format."""
    import litert_torch
    import torch

    network = copy.deepcopy(shipped.float_network()).eval()
    width, height = network.spec.input.size
    path = folder / "network.tflite"
    litert_torch.convert(network, (torch.zeros(1, 3, height, width),)).export(str(path))
    return path
