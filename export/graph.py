"""From a network in torch to a float ONNX graph that provably computes the same."""

from __future__ import annotations

import contextlib
import copy
import io
import warnings
from collections.abc import Mapping

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from edge_mtl.errors import EdgeMtlError
from edge_mtl.export.quiet import quiet
from edge_mtl.export.structured_picture import structured_picture
from edge_mtl.network.network import Network

OPSET = 18
PARITY_TOLERANCE = 1e-3
"""Largest difference to torch, relative to the spread of a tensor; float32 rounding gives 1e-5."""


class ExportError(EdgeMtlError):
    """The exported graph does not do what the network does, or cannot be made."""


def onnx_from_network(network: Network) -> onnx.ModelProto:
    """The float ONNX graph of a network at its spec's size, with batch norms folded.

    Inputs and outputs carry the names of the spec. The same network gives the same graph.

    Raises:
        ExportError: ONNX Runtime computes something else than torch.
    """
    spec = network.spec
    plain = folded(network)
    image = torch.from_numpy(structured_picture(spec.input_tensor.shape))
    planes = {
        each.name: torch.from_numpy(structured_picture(each.shape)) for each in spec.plane_tensors
    }
    names = [tensor.name for tensor in spec.output_tensors]
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), quiet("torch.onnx"):
        # The exporter reports its own deprecations and progress; neither is for our users.
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            plain,
            (image,),
            kwargs={"planes": planes} if planes else None,
            input_names=[spec.input.name, *planes],
            output_names=names,
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    assert program is not None
    model: onnx.ModelProto = program.model_proto
    model.graph.name = spec.name
    _drop_notes(model)
    onnx.checker.check_model(model, full_check=True)
    check_parity(model, plain, image, planes)
    return model


def _drop_notes(model: onnx.ModelProto) -> None:
    """Take out what the exporter notes on every node: stack traces, with this machine's paths."""
    graph = model.graph
    noted = (*graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer)
    for part in (model, graph, *noted):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")


def folded(network: Network) -> Network:
    """A copy whose batch norms are part of the convolutions before them, in evaluation mode."""
    plain = copy.deepcopy(network).cpu().eval()
    for module in list(plain.modules()):
        if not isinstance(module, nn.Sequential):
            continue
        for i in range(len(module) - 1):
            convolution, norm = module[i], module[i + 1]
            if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                module[i] = fuse_conv_bn_eval(convolution, norm)
                module[i + 1] = nn.Identity()
    return plain


def check_parity(
    model: onnx.ModelProto,
    network: nn.Module,
    image: torch.Tensor,
    planes: Mapping[str, torch.Tensor] | None = None,
) -> None:
    """Run both on a normalised picture (1, 3, H, W), and planes (1, 1, H, W) where the network
    takes some, and compare tensor by tensor.

    Raises:
        ExportError: a tensor differs by more than `PARITY_TOLERANCE` of its spread.
    """
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    beside = {name: plane.numpy() for name, plane in (planes or {}).items()}
    exported = session.run(None, {model.graph.input[0].name: image.numpy(), **beside})
    with torch.inference_mode():
        wanted = network(image, planes) if planes else network(image)
    for output, found in zip(model.graph.output, exported, strict=True):
        reference = wanted[output.name].numpy()
        error = float(np.abs(found - reference).max())
        allowed = PARITY_TOLERANCE * max(1.0, float(np.ptp(reference)))
        if not error <= allowed:
            raise ExportError(
                f"output {output.name!r} of the ONNX graph differs from torch by {error:.3g}, at "
                f"most {allowed:.3g} was expected; try another version of torch or onnxruntime"
            )
