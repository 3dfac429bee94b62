"""Run a graph in ONNX Runtime, to see what it gives, and let it fold what is constant."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
from numpy.typing import NDArray

from edge_mtl.export.foreign.graph_edits import all_graphs
from edge_mtl.export.foreign.import_error import NetworkImportError

_LOG_FATAL = 4
_OWN_DOMAINS = ("", "ai.onnx")


class Runner:
    """A graph with one input, in ONNX Runtime on the CPU.

    Raises:
        NetworkImportError: ONNX Runtime refuses the graph.
    """

    def __init__(self, model: onnx.ModelProto, source: str) -> None:
        self._source = source
        self._outputs = [value.name for value in model.graph.output]
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _LOG_FATAL
        try:
            self._session: Any = onnxruntime.InferenceSession(
                model.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # its types have no public base class
            raise _refused(source, model, error) from error
        self._model = model

    def __call__(self, picture: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """By name, the outputs for a normalised picture (1, 3, H, W) float32.

        Raises:
            NetworkImportError: a node fails, for example at this size.
        """
        try:
            values = self._session.run(None, {self._session.get_inputs()[0].name: picture})
        except Exception as error:
            raise _refused(self._source, self._model, error) from error
        return dict(zip(self._outputs, values, strict=True))


def folded(model: onnx.ModelProto, source: str) -> onnx.ModelProto:
    """The same graph with batch norms and constants folded by ONNX Runtime, of ONNX's own operators
    and with the shapes of all tensors; the graph as it is where that would need others.

    Raises:
        NetworkImportError: ONNX Runtime refuses the graph.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _LOG_FATAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "folded.onnx"
        options.optimized_model_filepath = str(path)
        try:
            onnxruntime.InferenceSession(
                model.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            raise _refused(source, model, error) from error
        smaller = onnx.load(path)
    if foreign_operators(smaller) - foreign_operators(model):
        return model
    # ONNX Runtime declares all the domains that it has.
    used = {node.domain for graph in all_graphs(smaller.graph) for node in graph.node}
    declared = [each for each in smaller.opset_import if each.domain in used | set(_OWN_DOMAINS)]
    declared = [onnx.OperatorSetIdProto.FromString(e.SerializeToString()) for e in declared]
    del smaller.opset_import[:]
    smaller.opset_import.extend(declared)
    smaller.ir_version = model.ir_version
    smaller.producer_name = model.producer_name
    return smaller


def foreign_operators(model: onnx.ModelProto) -> set[str]:
    """The operators that are not ONNX's own, as domain::operator."""
    return {
        f"{node.domain}::{node.op_type}"
        for graph in all_graphs(model.graph)
        for node in graph.node
        if node.domain not in _OWN_DOMAINS
    }


def _refused(source: str, model: onnx.ModelProto, error: Exception) -> NetworkImportError:
    reason = " ".join(str(error).split())
    strange = sorted(foreign_operators(model))
    advice = (
        "export it again with a newer opset, or for this input size"
        if not strange
        else f"it has the operators {', '.join(strange)}: cut the graph before them by naming a "
        "tensor within it in [import.outputs]"
    )
    return NetworkImportError(f"{source}: ONNX Runtime cannot run the network ({reason}); {advice}")
