"""Which rows of the logits a mask needs, for whoever resizes them with a library's call."""

from __future__ import annotations

from typing import NamedTuple

from edge_mtl.placement import Placement


class MaskWindow(NamedTuple):
    """Resize `rows` of the logits to `size` (width, height), then take `inside` of its rows.

    One row more on either side than the frame covers: there the padding's logits reach into it.
    """

    rows: slice
    size: tuple[int, int]
    inside: slice

    @classmethod
    def of(cls, placement: Placement, stride: int, mask_size: tuple[int, int]) -> MaskWindow:
        """For a frame as wide as the input, and between whole cells, with padding above and below.

        mask_size: (width, height), a whole number of pixels a cell.
        """
        pixels, rest = divmod(mask_size[1] * stride, placement.height)
        first, last = placement.y // stride, (placement.y + placement.height) // stride
        if rest or placement.x or placement.y % stride or not first:
            raise ValueError(f"no whole cells: {placement} in steps of {stride} for {mask_size}")
        height = (last - first + 2) * pixels
        return cls(
            slice(first - 1, last + 1), (mask_size[0], height), slice(pixels, height - pixels)
        )
