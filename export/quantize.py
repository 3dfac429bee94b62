"""Post-training quantisation to explicit Q/DQ, with ONNX Runtime's quantiser."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from edge_mtl.data.datasets import Dataset
from edge_mtl.errors import UsageError
from edge_mtl.export.quiet import quiet
from edge_mtl.export.schemes import Scheme
from edge_mtl.ops import Preprocessor
from edge_mtl.placement import Placement
from edge_mtl.plane_writer import PlaneWriter
from edge_mtl.spec import ModelSpec

LEAST_FRAMES = 32
"""Fewer frames than this do not show the ranges that a drive has."""


def check_calibration(frames: Dataset) -> None:
    """Refuse frames that are too few to calibrate with.

    Raises:
        UsageError: there are fewer than `LEAST_FRAMES`.
    """
    if len(frames) < LEAST_FRAMES:
        raise UsageError(
            f"calibration needs at least {LEAST_FRAMES} frames, {frames.name} has {len(frames)}; "
            "take more of them, or a larger data set"
        )


def quantize(
    model: onnx.ModelProto,
    spec: ModelSpec,
    scheme: Scheme,
    frames: Dataset,
    progress: Callable[[int, int], None] | None = None,
) -> onnx.ModelProto:
    """Set the ranges of all activations by their extremes over `frames`, and insert Q/DQ.

    Frames and their planes pass through the runtime's own preprocessing.

    frames: at least `LEAST_FRAMES`, see `check_calibration`.
    progress: called after each frame with the frames done and the frames in all.

    Raises:
        EdgeMtlError: a frame lacks a plane that the spec takes.
    """
    with tempfile.TemporaryDirectory() as folder, quiet(""):
        path = Path(folder) / "quantized.onnx"
        quantize_static(
            copy.deepcopy(model),  # ONNX Runtime moves the weights of what it is given to a file
            path,
            _Pictures(spec, frames, progress),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(scheme.operators),
            per_channel=True,
            activation_type=QuantType.QInt8 if scheme.signed else QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            extra_options={
                "ActivationSymmetric": scheme.signed,
                "QuantizeBias": scheme.quantized_bias,
                "AddQDQPairToWeight": not scheme.quantized_weights,
                "OpTypesToExcludeOutputQuantization": list(scheme.float_outputs),
            },
        )
        return onnx.load(path)


class _Pictures(CalibrationDataReader):  # type: ignore[misc]
    """Feeds frames, preprocessed as at run time, one at a time."""

    def __init__(
        self, spec: ModelSpec, frames: Dataset, progress: Callable[[int, int], None] | None
    ) -> None:
        self._input = spec.input
        self._frames = frames
        self._progress = progress
        # Float whatever the edges of the final network: its ranges are not known yet.
        self._preprocess = Preprocessor(spec.input, spec.input_tensor)
        self._write_planes = PlaneWriter(spec, spec.plane_tensors)
        self._picture = np.empty(spec.input_tensor.shape, np.float32)
        self._planes = {each.name: np.empty(each.shape, np.float32) for each in spec.plane_tensors}
        self._next = 0

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        if self._next == len(self._frames):
            return None
        sample = self._frames[self._next]
        frame = sample.image
        placement = Placement.fit((frame.shape[1], frame.shape[0]), self._input)
        self._preprocess([frame], [placement], self._picture)
        self._write_planes(sample.planes, placement, self._planes)
        self._next += 1
        if self._progress is not None:
            self._progress(self._next, len(self._frames))
        inputs = {self._input.name: self._picture, **self._planes}
        return {name: each.copy() for name, each in inputs.items()}
