"""Post-training quantisation to explicit Q/DQ, with ONNX Runtime's quantiser."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import onnx
from onnxruntime.quantization import (
    CalibrationMethod,
    QDQQuantizer,
    QuantType,
    TensorsData,
)

from edge_mtl.export.calibration import Ranges
from edge_mtl.export.qdq_placement import fuse_sums, quantized_nodes
from edge_mtl.export.quiet import quiet
from edge_mtl.export.schemes import Scheme


def quantize(
    model: onnx.ModelProto, scheme: Scheme, ranges: Ranges, nodes: Collection[str] | None = None
) -> onnx.ModelProto:
    """The graph with Q/DQ around what the scheme quantises; `model` stays as it is.

    ranges: of the activations, as `calibrate` gives them.
    nodes: the names of the nodes that may be quantised; all others stay float. None for all.
    """
    chosen = quantized_nodes(model, scheme)
    if nodes is not None:
        chosen &= set(nodes)
    if not chosen:
        return model
    inferred = onnx.shape_inference.infer_shapes(model)
    # Said of what went through its own shape inference; otherwise it goes through a file for it.
    inferred.metadata_props.add(key="onnx.infer", value="onnxruntime.quant")
    spans = {
        name: (np.float32(low), np.float32(high))
        for name, (low, high) in _with_absorbed(model, ranges).items()
    }
    with quiet(""):
        quantizer = QDQQuantizer(
            inferred,
            per_channel=True,
            reduce_range=False,
            weight_qType=QuantType.QInt8,
            activation_qType=QuantType.QInt8 if scheme.signed else QuantType.QUInt8,
            tensors_range=TensorsData(CalibrationMethod.MinMax, spans),
            nodes_to_quantize=sorted(chosen),
            nodes_to_exclude=[],
            op_types_to_quantize=list(scheme.operators),
            extra_options={
                "ActivationSymmetric": scheme.signed,
                "QuantizeBias": scheme.quantized_bias,
                "AddQDQPairToWeight": not scheme.quantized_weights,
                "OpTypesToExcludeOutputQuantization": list(scheme.float_outputs),
            },
        )
        quantizer.quantize_model()
        quantizer.model.topological_sort()  # pairs were put behind what reads them
    quantized: onnx.ModelProto = quantizer.model.model
    if scheme.fused_sums:
        fuse_sums(quantized)
    del quantized.metadata_props[:]
    del quantized.graph.value_info[:]
    return quantized


def _with_absorbed(model: onnx.ModelProto, ranges: Ranges) -> Ranges:
    """Also what an activation function reads: of its range, only what it leaves matters."""
    return {
        **{
            node.input[0]: ranges[node.output[0]]
            for node in model.graph.node
            if node.op_type in ("Relu", "Clip") and node.output[0] in ranges
        },
        **ranges,
    }
