from __future__ import annotations

import pytest

from edge_mtl.placement import Placement
from edge_mtl.spec import InputSpec

NETWORK = InputSpec(width=640, height=384)


@pytest.mark.parametrize(
    ("frame_size", "rectangle"),
    [
        ((640, 384), (0, 0, 640, 384)),  # as it is
        ((1280, 720), (0, 12, 640, 360)),  # wider: bars above and below
        ((480, 360), (64, 0, 512, 384)),  # narrower: bars at the sides
        ((320, 192), (0, 0, 640, 384)),  # enlarged
        ((10_000, 1), (0, 191, 640, 1)),  # never vanishes
        ((1, 10_000), (319, 0, 1, 384)),
    ],
)
def test_letterbox_centres_the_frame_with_its_aspect(
    frame_size: tuple[int, int], rectangle: tuple[int, int, int, int]
) -> None:
    placement = Placement.fit(frame_size, NETWORK)
    assert (placement.x, placement.y, placement.width, placement.height) == rectangle
    assert placement.frame_size == frame_size


@pytest.mark.parametrize("frame_size", [(1, 1), (333, 251), (3840, 2160), (7, 4000)])
def test_letterbox_stays_inside(frame_size: tuple[int, int]) -> None:
    placement = Placement.fit(frame_size, NETWORK)
    assert placement.x >= 0
    assert placement.y >= 0
    assert placement.x + placement.width <= NETWORK.width
    assert placement.y + placement.height <= NETWORK.height
    assert NETWORK.width == placement.width or NETWORK.height == placement.height


def test_stretch_fills_the_input() -> None:
    network = InputSpec(width=640, height=384, resize="stretch")
    placement = Placement.fit((100, 500), network)
    assert placement == Placement((100, 500), 0, 0, 640, 384)
    assert placement.frame_per_pixel == (100 / 640, 500 / 384)
