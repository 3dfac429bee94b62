"""How much the raw outputs of a network would miss each of its channels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from edge_mtl.data.datasets import Dataset
from edge_mtl.network.network import Network
from edge_mtl.ops import Preprocessor
from edge_mtl.placement import Placement
from edge_mtl.plane_writer import PlaneWriter

_EPS = 1e-6


def channel_effects(
    network: Network, frames: Dataset, progress: Callable[[int, int], None] | None = None
) -> dict[nn.Conv2d, Tensor]:
    """What the raw outputs would lose, frame by frame, with each channel that is read.

    By convolution (F, C_in): to first order the change of the outputs, each in units of its own
    spread, if it did not read that channel; projected on random directions. The mean square over
    the frames of a sum of these is the squared change of all outputs together. It is the importance
    of Molchanov et al., 2019 (arXiv:1906.10771, equation 8) with the outputs of the network in the
    place of a loss, so that it needs no labels and favours no task.

    network: in evaluation mode, on the CPU; its gradients are lost.
    progress: called after each frame with the frames done and the frames in all.
    """
    spec = network.spec
    preprocess = Preprocessor(spec.input, spec.input_tensor)
    write_planes = PlaneWriter(spec, spec.plane_tensors)
    picture = np.empty(spec.input_tensor.shape, np.float32)
    planes = {each.name: np.empty(each.shape, np.float32) for each in spec.plane_tensors}
    generator = torch.Generator().manual_seed(0)
    readers = [each for each in network.modules() if isinstance(each, nn.Conv2d)]
    effects: dict[nn.Conv2d, list[Tensor]] = {reader: [] for reader in readers}
    for index in range(len(frames)):
        sample = frames[index]
        frame = sample.image
        placement = Placement.fit((frame.shape[1], frame.shape[0]), spec.input)
        preprocess([frame], [placement], picture)
        write_planes(sample.planes, placement, planes)
        network.zero_grad()
        image = torch.from_numpy(picture).contiguous(memory_format=torch.channels_last)
        beside = {name: torch.from_numpy(plane) for name, plane in planes.items()}
        _random_projection(network(image, beside), generator).backward()  # type: ignore[no-untyped-call]
        for reader in readers:
            assert reader.weight.grad is not None
            effects[reader].append((reader.weight.detach() * reader.weight.grad).sum((0, 2, 3)))
        if progress is not None:
            progress(index + 1, len(frames))
    return {reader: torch.stack(found) for reader, found in effects.items()}


def _random_projection(raw: dict[str, Tensor], generator: torch.Generator) -> Tensor:
    """A number whose square is, in the mean over directions, that of outputs of equal weight."""
    parts = []
    for output in raw.values():
        direction = torch.randn(output.shape, generator=generator) / output.numel() ** 0.5
        # A number alone, such as the logit of one class, has no spread: it counts as it is.
        spread = output.detach().std(correction=0) + _EPS if output.numel() > 1 else 1.0
        parts.append((output * direction).sum() / spread)
    return torch.stack(parts).sum()
