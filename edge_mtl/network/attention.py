"""Attention between the tasks: how each head sees the feature pyramid.

What stands here is made of 1x1 convolutions, pools, sigmoids, products and sums, which engines
compute in 8 bits. Another kind is a class here, a row in `ATTENTION`, and a name in
`ModelSpec.attention`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from edge_mtl.errors import UsageError
from edge_mtl.network.features import Features
from edge_mtl.network.layers import GlobalPool, conv_layer

HeadStrides = Sequence[tuple[int, ...]]
"""By head, the levels of the pyramid that it reads."""

_REDUCTION = 4  # of the squeezed width; the paper's 16 is for widths of 256 and more


class SharedView(nn.Module):
    """No attention: every head sees the same."""

    def __init__(self, heads: HeadStrides, channels: int) -> None:
        super().__init__()
        self._heads = len(heads)

    def forward(self, features: Features) -> list[Features]:
        return [features] * self._heads


class SqueezeExcite(nn.Module):
    """Each head weights the channels of each level that it reads, by what the whole level holds
    (Hu et al., 2017, arXiv:1709.01507, section 3)."""

    def __init__(self, heads: HeadStrides, channels: int) -> None:
        super().__init__()
        self.heads = nn.ModuleList(_Gates(strides, channels) for strides in heads)

    def forward(self, features: Features) -> list[Features]:
        return [gates(features) for gates in self.heads]


class _Gates(nn.Module):
    """One head's weights of the channels, by level."""

    def __init__(self, strides: tuple[int, ...], channels: int) -> None:
        super().__init__()
        inner = max(8, channels // _REDUCTION)
        self.levels = nn.ModuleDict(
            {
                str(stride): nn.Sequential(
                    GlobalPool(),
                    nn.Conv2d(channels, inner, 1),
                    nn.ReLU(inplace=True),
                    nn.Conv2d(inner, channels, 1),
                    nn.Sigmoid(),
                )
                for stride in strides
            }
        )

    def forward(self, features: Features) -> Features:
        levels = {
            int(stride): features.pyramid[int(stride)] * gate(features.pyramid[int(stride)])
            for stride, gate in self.levels.items()
        }
        return features._replace(pyramid=levels)


class CrossTask(nn.Module):
    """Each head has features of its own and takes in messages from the other heads', as much of
    them as its own features let in: the distillation module C of PAD-Net (Xu et al., 2018,
    arXiv:1805.04409).

    Head k at a cell: `F_k + sigmoid(G_k F_k) * sum over the others t of W_kt F_t`. Heads that read
    different levels exchange between the nearest ones. Messages are zero at first, so that
    training starts from the network without them.

    Raises:
        UsageError: fewer than two heads read the pyramid.
    """

    def __init__(self, heads: HeadStrides, channels: int) -> None:
        super().__init__()
        readers = sum(bool(strides) for strides in heads)
        if readers < 2:
            raise UsageError(
                'attention = "cross-task" is between heads on the feature pyramid, of which this '
                f'model has {readers}; use "none" or "squeeze-excite", or add a task'
            )
        self.views = nn.ModuleList(_View(strides, channels) for strides in heads)
        self.exchanges = nn.ModuleList(
            _Exchange(head, heads, channels) for head in range(len(heads))
        )

    def forward(self, features: Features) -> list[Features]:
        views = [view(features) for view in self.views]
        return [exchange(features, views) for exchange in self.exchanges]


class _View(nn.Module):
    """One head's own features, by the stride of the level."""

    def __init__(self, strides: tuple[int, ...], channels: int) -> None:
        super().__init__()
        self.levels = nn.ModuleDict(
            {str(stride): conv_layer(channels, channels, 1) for stride in strides}
        )

    def forward(self, features: Features) -> dict[int, Tensor]:
        return {
            int(stride): layer(features.pyramid[int(stride)])
            for stride, layer in self.levels.items()
        }


class _Exchange(nn.Module):
    """What one head takes in from the views of the others, at every level that it reads."""

    def __init__(self, head: int, heads: HeadStrides, channels: int) -> None:
        super().__init__()
        self._head = head
        self._sources = {
            (stride, other): _nearest(strides, stride)
            for stride in heads[head]
            for other, strides in enumerate(heads)
            if other != head and strides
        }
        self.gates = nn.ModuleDict(
            {
                str(stride): nn.Sequential(nn.Conv2d(channels, channels, 1), nn.Sigmoid())
                for stride in heads[head]
            }
        )
        self.messages = nn.ModuleDict(
            {
                f"{stride}_from_{other}": _message(source, stride, channels)
                for (stride, other), source in self._sources.items()
            }
        )

    def forward(self, features: Features, views: Sequence[dict[int, Tensor]]) -> Features:
        """views: by head and stride, (N, C, h, w)."""
        totals: dict[int, Tensor] = {}
        for (stride, other), source in self._sources.items():
            message = self.messages[f"{stride}_from_{other}"](views[other][source])
            totals[stride] = totals[stride] + message if stride in totals else message
        levels = {}
        for stride, total in totals.items():
            own = views[self._head][stride]
            levels[stride] = own + self.gates[str(stride)](own) * total
        return features._replace(pyramid=levels)


def _message(source: int, stride: int, channels: int) -> nn.Sequential:
    """A 1x1 convolution at the coarser of two strides, where it costs least."""
    layer = nn.Conv2d(channels, channels, 1)
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    if source > stride:
        return nn.Sequential(layer, nn.Upsample(scale_factor=float(source // stride)))
    if source < stride:
        return nn.Sequential(nn.AvgPool2d(stride // source), layer)
    return nn.Sequential(layer)


def _nearest(strides: tuple[int, ...], stride: int) -> int:
    """Of strides, which are powers of two, the one that is fewest doublings away."""
    return min(strides, key=lambda each: max(each, stride) // min(each, stride))


ATTENTION: dict[str, Callable[[HeadStrides, int], nn.Module]] = {
    "none": SharedView,
    "squeeze-excite": SqueezeExcite,
    "cross-task": CrossTask,
}
"""By `ModelSpec.attention`: made from the strides of every head and the width of the pyramid, a
module from `Features` to the `Features` that each head sees."""
