"""Small ONNX networks in the styles of well-known exporters, with random weights."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edge_mtl.config import load_config
from edge_mtl.data.sample import Sample, Vocabulary
from edge_mtl.export.foreign.foreign_network import ForeignNetwork, foreign_network
from edge_mtl.export.foreign.import_spec import ImportSpec
from edge_mtl.export.foreign.running import Runner


class Graph:
    """Writes an ONNX network, operator by operator."""

    def __init__(
        self,
        shape: Sequence[int | str] = (1, 3, 64, 96),
        name: str = "images",
        dtype: int = TensorProto.FLOAT,
    ) -> None:
        self.inputs = [helper.make_tensor_value_info(name, dtype, shape)]
        self.image = name
        self.nodes: list[Any] = []
        self.weights: list[Any] = []
        self.outputs: list[Any] = []
        self._rng = np.random.default_rng(0)

    def constant(self, value: Any) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def add(self, kind: str, *inputs: str, name: str | None = None, **attributes: Any) -> str:
        output = name or f"t{len(self.nodes)}"
        node = f"/{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], node, **attributes))
        return output

    def conv(
        self,
        x: str,
        before: int,
        after: int,
        stride: int = 1,
        *,
        kernel: int = 3,
        relu: bool = True,
        name: str | None = None,
        gain: float = 1.4,
    ) -> str:
        scale = gain / np.sqrt(before * kernel * kernel)
        weight = self._rng.normal(size=(after, before, kernel, kernel)) * scale
        bias = self._rng.normal(size=after) * 0.3
        y = self.add(
            "Conv",
            x,
            self.constant(weight.astype(np.float32)),
            self.constant(bias.astype(np.float32)),
            name=None if relu else name,
            strides=[stride, stride],
            pads=[kernel // 2] * 4,
        )
        return self.add("Relu", y, name=name) if relu else y

    def stem(self, stride: int = 4, width: int = 12, x: str | None = None) -> str:
        x, channels = x or self.image, 3
        while stride > 1:
            x, channels, stride = self.conv(x, channels, width, 2), width, stride // 2
        return self.conv(x, channels, width)

    def output(self, name: str, shape: Sequence[int | str], dtype: int = TensorProto.FLOAT) -> None:
        self.outputs.append(helper.make_tensor_value_info(name, dtype, shape))

    def model(self, opset: int = 17, domains: Sequence[str] = ()) -> onnx.ModelProto:
        graph = helper.make_graph(self.nodes, "net", self.inputs, self.outputs, self.weights)
        opsets = [helper.make_opsetid("", opset)]
        opsets += [helper.make_opsetid(domain, 1) for domain in domains]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8)


class Pictures:
    """Unlabelled pictures with structure, larger than the networks' input."""

    vocabulary = Vocabulary(masks={})

    def __init__(self, count: int, size: tuple[int, int] = (120, 80)) -> None:
        self.name = "pictures"
        self._count, self._size = count, size

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Sample:
        rng = np.random.default_rng(index)
        coarse = rng.integers(0, 256, (self._size[1] // 8, self._size[0] // 8, 3), np.uint8)
        image = np.repeat(np.repeat(coarse, 8, axis=0), 8, axis=1)
        return Sample(image, f"picture {index}")


@pytest.fixture(scope="session")
def make_graph() -> type[Graph]:
    return Graph


@pytest.fixture(scope="session")
def pictures() -> type[Pictures]:
    return Pictures


@pytest.fixture(scope="session")
def peers() -> Path:
    """The folder with networks of others."""
    data = Path(os.environ.get("EDGE_MTL_DATA", Path(__file__).parents[4] / "shared" / "data"))
    folder = data.parent / "peers"
    if not (folder / "fastestdet_352.onnx").is_file():
        pytest.skip(f"no fastestdet_352.onnx in {folder}")
    return folder


@pytest.fixture
def imported(tmp_path: Path) -> Callable[..., ForeignNetwork]:
    """Writes a network and its spec.toml to files and reads them as the import does."""

    def make(graph: Any, toml: str) -> ForeignNetwork:
        path, spec = tmp_path / "net.onnx", tmp_path / "spec.toml"
        onnx.save(graph if isinstance(graph, onnx.ModelProto) else graph.model(), path)
        spec.write_text(toml)
        return foreign_network(path, load_config(spec, ImportSpec), spec, Pictures(2))

    return make


@pytest.fixture(scope="session")
def values_of() -> Callable[..., dict[str, NDArray[Any]]]:
    """What an imported network gives for a picture."""
    return lambda network, picture: Runner(network.model, "net")(picture)


@pytest.fixture(scope="session")
def original() -> Callable[..., dict[str, NDArray[Any]]]:
    """What the file itself gives for a picture."""

    def run(graph: Graph, picture: NDArray[Any]) -> dict[str, NDArray[Any]]:
        session: Any = onnxruntime.InferenceSession(graph.model().SerializeToString())
        names = [each.name for each in session.get_outputs()]
        values = session.run(None, {session.get_inputs()[0].name: picture})
        return dict(zip(names, values, strict=True))

    return run


@pytest.fixture(scope="session")
def close() -> Callable[[NDArray[Any], NDArray[Any]], None]:
    """Asserts that two arrays are equal but for rounding."""
    return partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-4)


@pytest.fixture
def picture() -> NDArray[Any]:
    rng = np.random.default_rng(5)
    return rng.normal(size=(1, 3, 64, 96)).astype(np.float32)
