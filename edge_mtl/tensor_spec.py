"""`TensorSpec`: a tensor that goes into an engine or comes out of it."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Dtype = Literal["float32", "float16", "uint8", "int8"]
"""What the tensors at the edges of an engine hold. Kernels read float16 as float32."""

Extent = Annotated[int, Meta(ge=1, le=1 << 20)]


class TensorSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A named tensor at the edge of an engine.

    shape is (N, C, H, W). An 8-bit tensor stands for `scale * (value - zero_point)`; a float
    one has no use for either.
    """

    name: str
    shape: tuple[Extent, Extent, Extent, Extent]
    dtype: Dtype = "float32"
    scale: Annotated[float, Meta(gt=0)] = 1.0
    zero_point: Annotated[int, Meta(ge=-128, le=255)] = 0

    @property
    def quantised(self) -> bool:
        return self.dtype in ("uint8", "int8")
