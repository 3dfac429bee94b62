"""The tests that need a GPU find PyCUDA as the package does."""

from __future__ import annotations

from contextlib import suppress

from edge_mtl.errors import EdgeMtlError
from edge_mtl.gpu.context import driver_library

# A PyCUDA that was built where there is no driver is not linked with it.
with suppress(EdgeMtlError):
    driver_library()
