"""OpenVINO on the CPU."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import openvino
from numpy.typing import NDArray

from edge_mtl.bundle import Bundle
from edge_mtl.cache_folder import cache_folder
from edge_mtl.runtime.engines import check_edges, edge_buffers, refusal


@cache
def core() -> Any:
    """The process's one `openvino.Core`.

    Each core gives its thread an alternate signal stack of its own and takes away whichever is
    installed when it is freed: with two, freed in the order they were made, the next signal (such
    as Ctrl-C) runs on a stack that is gone, and the process dies without a word.
    """
    return openvino.Core()


class OpenVinoEngine:
    """A bundle's network in OpenVINO, on buffers that are allocated once and shared with it.

    Compiling takes longer than all else of a start; with `remember` what was compiled is kept in
    the user's cache folder, and OpenVINO looks there whether it fits.

    What the network holds in float is computed in float32, although OpenVINO would choose bfloat16
    on processors that have it: the accuracy that the manifest states was measured so.

    Raises:
        EdgeMtlError: OpenVINO refuses the network.
    """

    name = "openvino"

    def __init__(
        self, bundle: Bundle, threads: int | None, count: int = 1, remember: bool = False
    ) -> None:
        options = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
        if threads:
            options["INFERENCE_NUM_THREADS"] = str(threads)
        if count > 1:
            options["NUM_STREAMS"] = str(count)
        folder = _writable_cache() if remember else None
        if folder is not None:
            options["CACHE_DIR"] = str(folder)
        try:
            compiled = core().compile_model(core().read_model(bundle.network), "CPU", options)
        except Exception as error:  # its types have no public base class
            raise refusal(self.name, bundle, error) from error
        if folder is not None:
            _prune(folder)
        network = {
            name: (
                tuple(size.get_length() if size.is_static else None for size in edge.partial_shape),
                _DTYPES.get(edge.element_type.get_type_name(), edge.element_type.get_type_name()),
            )
            for edge in [*compiled.inputs, *compiled.outputs]
            for name in edge.names
        }
        check_edges(self.name, bundle, network)
        self.input_tensor = bundle.manifest.input
        self.plane_tensors = bundle.manifest.planes
        self.output_tensors = bundle.manifest.outputs
        self._compiled: Any = compiled
        self._bind()

    def _bind(self) -> None:
        """Buffers, and a request that works on them."""
        buffers = edge_buffers(self.input_tensor, self.plane_tensors, self.output_tensors)
        self.image: NDArray[Any] = buffers.image
        self.planes: Mapping[str, NDArray[Any]] = buffers.planes
        self.outputs: Mapping[str, NDArray[Any]] = buffers.outputs
        self._request: Any = self._compiled.create_infer_request()
        edges = {self.input_tensor.name: self.image, **self.planes, **self.outputs}
        for name, buffer in edges.items():
            self._request.set_tensor(name, openvino.Tensor(buffer, shared_memory=True))

    def twin(self) -> OpenVinoEngine:
        """The same compiled network on buffers of its own."""
        twin = copy.copy(self)
        twin._bind()
        return twin

    def infer(self, frames: int = 1) -> None:
        """As of `Engine`; of a network that takes several frames, all are computed."""
        self._request.start_async()
        self._request.wait()

    def close(self) -> None:
        """Release the network; the buffers are not to be used any more. Twice does no harm."""
        self._request = self._compiled = None


_DTYPES = {"f32": "float32", "f16": "float16", "u8": "uint8", "i8": "int8"}

_KEPT_NETWORKS = 16


def _writable_cache() -> Path | None:
    """Where compiled networks are kept; None where nothing can be written, as in a container."""
    folder = cache_folder("openvino")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK) else None


def _prune(folder: Path) -> None:
    """Keep the newest: a network that was exported anew leaves its old one behind."""
    try:
        blobs = sorted(folder.glob("*.blob"), key=lambda each: -each.stat().st_mtime)
        for each in blobs[_KEPT_NETWORKS:]:
            each.unlink()
    except OSError:  # another process is at it
        return
