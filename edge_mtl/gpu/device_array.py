"""Arrays in the GPU's memory, whoever made them."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from edge_mtl.errors import UsageError


def address_of(array: Any, name: str, shape: tuple[int, ...], dtype: str) -> int:
    """The address of a C-contiguous array that speaks CUDA's array interface, as those of PyTorch,
    CuPy, Numba and PyCUDA do.

    Raises:
        UsageError: it is another kind of object, or of another shape, dtype or layout.
    """
    described = getattr(array, "__cuda_array_interface__", None)
    if described is None:
        raise UsageError(
            f"{name} must be an array in the GPU's memory with __cuda_array_interface__ "
            f"(of PyTorch, CuPy or PyCUDA, say), found {type(array).__name__}"
        )
    found_dtype = np.dtype(described["typestr"])
    if found_dtype != np.dtype(dtype):
        raise UsageError(f"{name} must have dtype {dtype}, found {found_dtype}")
    if tuple(described["shape"]) != shape:
        raise UsageError(f"{name} must have shape {shape}, found {tuple(described['shape'])}")
    strides = described.get("strides")
    if strides is not None:
        contiguous = tuple(
            prod(shape[axis + 1 :]) * found_dtype.itemsize for axis in range(len(shape))
        )
        # The stride of an axis of one is never used.
        if any(
            extent > 1 and found != expected
            for extent, found, expected in zip(shape, strides, contiguous, strict=True)
        ):
            raise UsageError(
                f"{name} must be C-contiguous, with strides of {contiguous} bytes, "
                f"found {tuple(strides)}: pass a contiguous copy"
            )
    return int(described["data"][0])
