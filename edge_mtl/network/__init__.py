"""The network of a `ModelSpec` in torch: backbone, neck and heads; nothing is decoded inside."""
