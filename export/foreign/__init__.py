"""Networks trained elsewhere: any ONNX file whose outputs the head kernels can read."""
