"""Frames in, scenes out: sources, engines, the pipeline and sinks. Never imports torch."""
