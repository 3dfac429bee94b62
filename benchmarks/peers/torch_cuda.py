"""PyTorch on an NVIDIA GPU, in half precision: eager, and compiled with `max-autotune`.

As its performance tuning guide says: `inference_mode`, channels last, tensor cores, cuDNN's search
for the fastest algorithm, pinned memory for the way to the GPU; compiled with the mode that tries
out kernels and captures CUDA graphs. The head is torch's, on the GPU up to suppression.
https://docs.pytorch.org/tutorials/recipes/recipes/tuning_guide.html
https://docs.pytorch.org/docs/stable/generated/torch.compile.html

**Never run**: no GPU was at hand.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np
import shipped
from numpy.typing import NDArray
from rivals.opencv_preprocess import BlobPreprocess

from peers.job import InStages, Job, MissingError

if TYPE_CHECKING:
    from torch import Tensor


def eager(job: Job) -> InStages:
    return _around(_network(), job)


def compiled(job: Job) -> InStages:
    import torch

    torch.compiler.config.force_disable_caches = True
    see = _around(torch.compile(_network(), mode="max-autotune"), job)
    width, height = job.placement.frame_size
    see(np.zeros((height, width, 3), np.uint8))
    return see


def _network() -> Any:
    import torch

    if not torch.cuda.is_available():
        raise MissingError("torch with CUDA")
    torch.backends.cudnn.benchmark = True
    network: Any = copy.deepcopy(shipped.float_network()).eval().cuda().half()
    return network.to(memory_format=torch.channels_last)


def _around(call: Any, job: Job) -> InStages:
    import torch
    from rivals.torch_head import open_head

    spec = shipped.float_network().spec
    pinned = torch.empty(spec.input_tensor.shape, pin_memory=True)

    @torch.inference_mode()
    def infer(blob: NDArray[np.float32]) -> dict[str, Tensor]:
        pinned.copy_(torch.from_numpy(blob))
        image = pinned.to("cuda", non_blocking=True).half()
        raw: dict[str, Tensor] = call(image.to(memory_format=torch.channels_last))
        torch.cuda.synchronize()
        return raw

    preprocess = BlobPreprocess(spec.input, job.placement, spec.input_tensor)
    head = open_head(spec, spec.output_tensors, job.placement, job.mask_size, device="cuda")
    return InStages(preprocess, infer, head)
