"""`TensorSpec`: a tensor that goes into an engine or comes out of it."""

from __future__ import annotations

from typing import Literal

import msgspec

Dtype = Literal["float32", "float16", "uint8", "int8"]
"""What the tensors at the edges of an engine hold. Kernels read float16 as float32."""


class TensorSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A named tensor at the edge of an engine.

    shape is (N, C, H, W). An 8-bit tensor stands for `scale * (value - zero_point)`; a float
    one has no use for either.
    """

    name: str
    shape: tuple[int, int, int, int]
    dtype: Dtype = "float32"
    scale: float = 1.0
    zero_point: int = 0

    @property
    def quantised(self) -> bool:
        return self.dtype in ("uint8", "int8")
