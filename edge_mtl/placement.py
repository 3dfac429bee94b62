"""`Placement`: where a camera frame lies in the network's input, and back."""

from __future__ import annotations

from dataclasses import dataclass

from edge_mtl.spec import InputSpec


@dataclass(frozen=True, slots=True)
class Placement:
    """How a frame of `frame_size` fills the rectangle x, y, width, height of the network's input.

    Sizes are (width, height) in pixels. With pixel centres at +0.5, a point of the frame maps to
    `x + point * width / frame_width`, and likewise in y.
    """

    frame_size: tuple[int, int]
    x: int
    y: int
    width: int
    height: int

    @classmethod
    def fit(cls, frame_size: tuple[int, int], network_input: InputSpec) -> Placement:
        """Place a frame as `network_input.resize` says: centred with its aspect, or stretched."""
        if network_input.resize == "stretch":
            return cls(frame_size, 0, 0, network_input.width, network_input.height)
        scale = min(network_input.width / frame_size[0], network_input.height / frame_size[1])
        width = max(1, round(frame_size[0] * scale))
        height = max(1, round(frame_size[1] * scale))
        x, y = (network_input.width - width) // 2, (network_input.height - height) // 2
        return cls(frame_size, x, y, width, height)

    @property
    def numbers(self) -> tuple[int, int, int, int, int, int]:
        """Frame width and height, x, y, width, height: `Placement` of kernels/head_math.h."""
        return (*self.frame_size, self.x, self.y, self.width, self.height)

    @property
    def frame_per_pixel(self) -> tuple[float, float]:
        """How many pixels of the frame one pixel of the input covers, in x and y."""
        return self.frame_size[0] / self.width, self.frame_size[1] / self.height
