"""PyTorch on the processor: eager, and compiled.

As its performance tuning guide says: `inference_mode`, convolutions in channels-last, and for the
compiled one TorchInductor with constants folded into the code ("freezing").
https://docs.pytorch.org/tutorials/recipes/recipes/tuning_guide.html
https://docs.pytorch.org/tutorials/recipes/inference_tuning_on_aws_graviton.html
https://docs.pytorch.org/tutorials/unstable/max_autotune_on_CPU_tutorial.html

There is no TorchScript: its documentation calls it deprecated and names `torch.export` and
`torch.compile` in its place.
"""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import shipped
from numpy.typing import NDArray
from rivals.opencv_preprocess import BlobPreprocess

from peers.job import InStages, Job, MissingError

if TYPE_CHECKING:
    from torch import Tensor

    Call = Callable[[Tensor], dict[str, Tensor]]


def eager(job: Job) -> InStages:
    """Operation by operation, in oneDNN."""
    return _around(_network(), job)


def compiled(job: Job) -> InStages:
    """`torch.compile`, which takes about a minute. Freezing needs constants, `max_autotune` has
    matrix products tried out."""
    import torch

    if shutil.which("g++") is None:
        raise MissingError("g++, with which torch.compile compiles")
    # What an earlier run left on the disk would be no compiling.
    torch.compiler.config.force_disable_caches = True
    torch.set_num_threads(job.threads)
    call = torch.compile(_network(), options={"freezing": True, "max_autotune": True})
    see = _around(call, job)
    width, height = job.placement.frame_size
    see(np.zeros((height, width, 3), np.uint8))
    return see


def _network() -> Any:
    """A copy, channels last: others have the network as it is."""
    import torch

    network: Any = copy.deepcopy(shipped.float_network()).eval()
    return network.to(memory_format=torch.channels_last)


def _around(call: Call, job: Job) -> InStages:
    """OpenCV's letterbox and `blobFromImage` before it, and a head in torch behind it."""
    import torch
    from rivals.torch_head import open_head

    torch.set_num_threads(job.threads)
    spec = shipped.float_network().spec

    @torch.inference_mode()
    def infer(blob: NDArray[np.float32]) -> dict[str, Tensor]:
        return call(torch.from_numpy(blob).to(memory_format=torch.channels_last))

    preprocess = BlobPreprocess(spec.input, job.placement, spec.input_tensor)
    head = open_head(spec, spec.output_tensors, job.placement, job.mask_size)
    return InStages(preprocess, infer, head)
