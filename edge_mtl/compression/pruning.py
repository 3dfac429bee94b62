"""Structured pruning: a narrower network from a wide one.

Torch-Pruning (Fang et al., 2023, arXiv:2301.12900) follows which channels of which layers stand or
fall together.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
import torch_pruning
from torch import Tensor, nn

from edge_mtl.compression.importance import channel_effects
from edge_mtl.data.datasets import Dataset
from edge_mtl.errors import UsageError
from edge_mtl.network.narrowing import settle
from edge_mtl.network.network import Network

MULTIPLE = 8
"""Widths are multiples of this, which is what integer units work on at a time."""
_LEAST_SHARE = 0.9  # of the width that was asked for, after rounding
_SIDE = 64  # of the picture that the network is traced with


def prune(
    network: Network,
    ratio: float,
    frames: Dataset,
    progress: Callable[[int, int], None] | None = None,
) -> Network:
    """A copy of a network without the channels that its outputs miss least, in evaluation mode.

    Every set of layers whose channels belong together loses `ratio` of them, rounded so that a
    multiple of `MULTIPLE` stays. The raw outputs keep theirs. Accuracy needs training afterwards.

    Args:
        network: on the CPU; without grouped convolutions other than depthwise ones.
        ratio: of the channels, between 0 and 1; multiply-accumulates fall by up to twice as much.
        frames: what the importance of the channels is measured on; their labels are not used.
        progress: called after each frame with the frames done and the frames in all.

    Raises:
        UsageError: the ratio is not between 0 and 1, there are no frames, or a convolution is
            grouped.
    """
    if not 0 < ratio < 1:
        raise UsageError(f"expected a ratio between 0 and 1, found {ratio:g}; 0.3 is a start")
    if not len(frames):
        raise UsageError(f"expected frames to measure channels on, found none in {frames.name}")
    narrow = copy.deepcopy(network).eval().requires_grad_()
    _refuse_grouped(narrow)
    effects = channel_effects(narrow, frames, progress)
    # A tuple: of a tensor alone the tracer would take the first picture of the batch.
    example = narrow.example(_SIDE, _SIDE)
    graph = torch_pruning.DependencyGraph().build_dependency(narrow, example, verbose=False)
    groups = list(graph.get_all_groups(_output_layers(narrow), (nn.Conv2d,)))
    # All are ranked before the first is pruned: the effects are of the whole network.
    for group, scores in [(each, _importance(each, effects)) for each in groups]:
        kept = kept_channels(len(scores), ratio)
        dropped = torch.argsort(scores)[: len(scores) - kept].tolist()
        if dropped:
            root = group[0].dep
            graph.get_pruning_group(root.target.module, root.handler, dropped).prune()
    settle(narrow)
    narrow.zero_grad()
    return narrow


def kept_channels(channels: int, ratio: float) -> int:
    """The multiple of 8 that is nearest to what should stay, unless it is more than a tenth less,
    as in MobileNetV2 (Sandler et al., 2018, arXiv:1801.04381). Never more than there are."""
    wanted = channels * (1 - ratio)
    nearest = max(MULTIPLE, int(wanted + MULTIPLE / 2) // MULTIPLE * MULTIPLE)
    return min(channels, nearest if nearest >= _LEAST_SHARE * wanted else nearest + MULTIPLE)


def _refuse_grouped(network: Network) -> None:
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and module.groups not in (1, module.out_channels):
            raise UsageError(
                f"{network.spec.backbone} has convolutions in {module.groups} groups, which cannot "
                "be pruned; choose a backbone with plain or depthwise convolutions"
            )


def _output_layers(network: Network) -> list[nn.Module]:
    """The layers that write the raw outputs themselves."""
    writers: dict[int, nn.Module] = {}
    hooks = [
        module.register_forward_hook(lambda layer, _, output: writers.update({id(output): layer}))
        for module in network.modules()
        if isinstance(module, nn.Conv2d)
    ]
    raw = network(*network.example(_SIDE, _SIDE))
    for hook in hooks:
        hook.remove()
    return [writers[id(output)] for output in raw.values()]


def _importance(group: Any, effects: dict[nn.Conv2d, Tensor]) -> Tensor:
    """The mean square of what the outputs lose with each channel of a group."""
    pictures = len(next(iter(effects.values())))
    effect = torch.zeros(pictures, len(group[0].idxs))
    for item in group:
        if item.dep.handler == torch_pruning.prune_conv_in_channels:
            effect[:, item.root_idxs] += effects[item.dep.target.module][:, item.idxs]
    return effect.square().mean(0)
