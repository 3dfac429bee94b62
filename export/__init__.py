"""From a trained network to a bundle: ONNX, quantisation, engines."""
