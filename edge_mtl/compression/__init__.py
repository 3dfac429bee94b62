"""Smaller networks: channels pruned, and training that knows of 8 bits."""
