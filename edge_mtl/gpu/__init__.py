"""The kernels on an NVIDIA GPU: the same results as `edge_mtl.ops`, without leaving its memory."""
