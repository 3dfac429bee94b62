"""`NetworkImportError`: a network from elsewhere that does not fit what is said about it."""

from __future__ import annotations

from edge_mtl.errors import EdgeMtlError


class NetworkImportError(EdgeMtlError):
    """A network from elsewhere cannot be read, or is not what its spec.toml says."""
