"""The kernels on an NVIDIA GPU: the same results as `edge_mtl.ops`, without leaving its memory.

`Preprocessor` and `FusedHead` work in the CUDA context that is current, on a
`pycuda.driver.Stream`. An engine or a framework joins that stream by its handle:

    from pycuda import driver
    from edge_mtl.gpu import FusedHead

    driver.init()
    driver.Device(0).retain_primary_context().push()     # PyTorch's and TensorRT's own
    stream = driver.Stream()
    head = FusedHead(spec, tensors, placements, "frame")
    with torch.cuda.stream(torch.cuda.ExternalStream(stream.handle)):
        raw = network(images)                            # by tensor name
        head.bind(raw)
        head.launch(stream)
    stream.synchronize()
    scenes = head.scenes()

Importing this module takes no GPU and no PyCUDA; making one of its objects does.
"""

from edge_mtl.gpu.fused_head import FusedHead
from edge_mtl.gpu.preprocessor import Preprocessor

__all__ = ["FusedHead", "Preprocessor"]
