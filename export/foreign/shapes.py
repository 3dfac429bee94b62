"""Which shapes can be a raw tensor of the spec, and the nodes that make them one."""

from __future__ import annotations

import math

from edge_mtl.export.foreign.graph_edits import Writer

Shape = tuple[int, ...]


def fits(found: Shape, wanted: Shape) -> bool:
    """Whether `arranged` knows how."""
    return found == wanted or bool(_ways(found, wanted))


def arranged(writer: Writer, tensor: str, found: Shape, wanted: Shape) -> str | None:
    """The tensor as (1, C, H, W), of one that may lack ones, have its cells in one row, or its
    channels last; None where it is no such tensor."""
    if found == wanted:
        return tensor
    ways = _ways(found, wanted)
    if not ways:
        return None
    one, channels, height, width = wanted
    if ways[0] == "reshape":
        return writer.reshape(tensor, *wanted)
    last = (one, height, width, channels)
    if found != last:
        tensor = writer.reshape(tensor, *last)
    return writer.node("Transpose", tensor, perm=(0, 3, 1, 2))


def channels_of(found: Shape, cells: int) -> int | None:
    """How many channels a tensor has for each of so many cells."""
    total = math.prod(found)
    return total // cells if cells and total % cells == 0 else None


def table(
    writer: Writer, tensor: str, found: Shape, candidates: int, axis: int, turn: bool
) -> tuple[str, int] | None:
    """The tensor as (1, C, N), or (1, N, C) where `axis` is 2, and C; None where it is no such.

    A map of cells is taken as one row of them. turn: candidates and channels may lie the other way
    round.
    """
    channels = channels_of(found, candidates)
    if channels is None:
        return None
    wanted = (1, channels, candidates) if axis == 1 else (1, candidates, channels)
    solid = _solid(found)
    straight, turned = _solid(wanted), _solid((1, wanted[2], wanted[1]))
    if solid == straight:
        return (tensor if found == wanted else writer.reshape(tensor, *wanted)), channels
    by_channel, by_cell = (straight, turned) if axis == 1 else (turned, straight)
    # A map of cells is (C, rows, columns) or (rows, columns, C).
    if solid != by_channel and not (len(solid) == 3 and solid[0] == channels):
        if solid != by_cell and not (len(solid) == 3 and solid[2] == channels):
            return None
        flat, lies = writer.reshape(tensor, 1, candidates, channels), 2
    else:
        flat, lies = writer.reshape(tensor, 1, channels, candidates), 1
    if solid == turned and not turn:
        return None
    return (flat if lies == axis else writer.node("Transpose", flat, perm=(0, 2, 1))), channels


def _ways(found: Shape, wanted: Shape) -> list[str]:
    _, channels, height, width = wanted
    solid = _solid(found)
    ways = []
    if solid in (_solid((channels, height, width)), _solid((channels, height * width))):
        ways.append("reshape")
    if solid in (_solid((height, width, channels)), _solid((height * width, channels))):
        ways.append("transpose")
    return ways


def _solid(shape: Shape) -> Shape:
    return tuple(size for size in shape if size != 1)
