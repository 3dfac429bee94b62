"""What a network wants its picture to be, and how its file is written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edge_mtl.config import load_config
from edge_mtl.errors import EdgeMtlError
from edge_mtl.export.foreign.foreign_network import ForeignNetwork, foreign_network
from edge_mtl.export.foreign.import_spec import ImportSpec
from edge_mtl.export.foreign.loading import read_network
from edge_mtl.export.foreign.proposal import proposal
from edge_mtl.export.foreign.running import Runner

TASK = '[[tasks]]\ntype = "segmentation"\nname = "s"\nclasses = ["a", "b", "c"]\nstride = 4\n'
WHOLE = "mean = [0.0, 0.0, 0.0]\nstd = [" + ", ".join(["0.00392156862745098"] * 3) + "]\n"
Array = NDArray[Any]
Make = Callable[..., ForeignNetwork]


@pytest.fixture
def imported(tmp_path: Path, pictures: Any) -> Make:
    def make(model: onnx.ModelProto | Path, more: str = "", picture: str = "") -> ForeignNetwork:
        path = model if isinstance(model, Path) else tmp_path / "net.onnx"
        if not isinstance(model, Path):
            onnx.save(model, path)
        spec = tmp_path / "spec.toml"
        head = f'name = "net"\n[input]\nwidth = 96\nheight = 64\n{picture}'
        spec.write_text(head + TASK + more)
        return foreign_network(path, load_config(spec, ImportSpec), spec, pictures(2))

    return make


def network(
    make_graph: Any,
    shape: tuple[int | str, ...] = (1, 3, 64, 96),
    dtype: int = TensorProto.FLOAT,
    before: Callable[[Any, str], str] | None = None,
    opset: int = 17,
) -> onnx.ModelProto:
    graph = make_graph(shape, dtype=dtype)
    x = before(graph, graph.image) if before else graph.image
    graph.conv(graph.stem(4, x=x), 12, 3, relu=False, name="out")
    graph.output("out", ("batch", 3, "height", "width"))
    model: onnx.ModelProto = graph.model(opset)
    return model


def to_planes(graph: Any, x: str) -> str:
    name: str = graph.add("Transpose", x, perm=[0, 3, 1, 2])
    return name


@pytest.fixture
def picture() -> Array:
    rng = np.random.default_rng(3)
    return rng.integers(0, 256, (1, 3, 64, 96)).astype(np.float32)


def values(found: ForeignNetwork, picture: Array) -> Array:
    [each] = Runner(found.model, "net")(picture).values()
    return each


@pytest.mark.parametrize("shape", [("N", 3, "H", "W"), (1, 3, 64, 96), (-1, 3, -1, -1)])
def test_free_sizes_become_those_of_the_spec(
    make_graph: Any, imported: Make, picture: Array, shape: Any
) -> None:
    fixed = imported(network(make_graph))
    found = imported(network(make_graph, tuple(n if n != -1 else "?" for n in shape)))
    dims = found.model.graph.input[0].type.tensor_type.shape.dim
    assert [each.dim_value for each in dims] == [1, 3, 64, 96]
    np.testing.assert_array_equal(values(found, picture), values(fixed, picture))


def test_channels_last(make_graph: Any, imported: Make, picture: Array) -> None:
    found = imported(network(make_graph, (1, 64, 96, 3), before=to_planes))
    expected = values(imported(network(make_graph)), picture)
    np.testing.assert_allclose(values(found, picture), expected, atol=1e-4)


def test_whole_numbers_from_0_to_255(make_graph: Any, imported: Make, picture: Array) -> None:
    """TensorFlow's exports; 254.99998 is 255."""

    def cast(graph: Any, x: str) -> str:
        return to_planes(graph, graph.add("Cast", x, to=TensorProto.FLOAT))

    model = network(make_graph, (1, 64, 96, 3), TensorProto.UINT8, cast)
    with pytest.raises(EdgeMtlError, match=r"takes whole numbers, 0 to 255.*write mean = \[0.0"):
        imported(model)
    found = imported(model, picture=WHOLE)
    expected = values(imported(network(make_graph)), picture)
    np.testing.assert_allclose(values(found, picture - 2e-5), expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("before", [None, lambda g, x: g.add("Identity", g.add("Neg", x))])
def test_blue_first(make_graph: Any, imported: Make, picture: Array, before: Any) -> None:
    """In the weights of a first convolution, where it is one; else by a node."""
    model = network(make_graph, before=before)
    found = imported(model, '[import]\ncolours = "bgr"\n')
    expected = values(imported(model), picture[:, ::-1].copy())
    np.testing.assert_allclose(values(found, picture), expected, rtol=1e-4, atol=1e-3)
    operators = {node.op_type for node in found.model.graph.node}
    assert ("Gather" in operators) == (before is not None)


def test_further_inputs_are_constants_or_refused(make_graph: Any, imported: Make) -> None:
    """PP-YOLOE takes a scale factor."""
    model = network(make_graph)
    more = helper.make_tensor_value_info("scale_factor", TensorProto.FLOAT, (1, 2))
    model.graph.input.append(more)
    with pytest.raises(EdgeMtlError, match="scale_factor, which nothing gives it; write"):
        imported(model)
    found = imported(model, "[import.constants]\nscale_factor = [[1.0, 1.0]]\n")
    assert [each.name for each in found.model.graph.input] == ["image"]


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((4, 3, 64, 96), "fixed batch of 4"),
        ((1, 3, 64, 64), r"64x64, the spec says width = 96; write width = 64 in \[input\]"),
        ((1, 1, 64, 96), "expected 3 colours"),
        ((1, 12), "expected one input that is a picture"),
    ],
)
def test_inputs_that_are_no_such_picture(
    make_graph: Any, imported: Make, shape: tuple[int, ...], message: str
) -> None:
    with pytest.raises(EdgeMtlError, match=message):
        imported(network(make_graph, shape))


def test_a_network_for_grey_pictures_is_told_so_by_inspect_and_import(
    make_graph: Any, imported: Make, tmp_path: Path
) -> None:
    grey = network(make_graph, (1, 1, 64, 96))
    with pytest.raises(EdgeMtlError, match="only networks that take colour pictures"):
        proposal(grey, tmp_path / "grey.onnx")
    with pytest.raises(EdgeMtlError, match="only networks that take colour pictures"):
        imported(grey, '[import]\nlayout = "nchw"\n')
    with pytest.raises(EdgeMtlError, match=r"write layout = 'nchw' in \[import\]"):
        imported(network(make_graph, (1, 3, 64, 96)), '[import]\nlayout = "nhwc"\n')


@pytest.mark.parametrize("opset", [9, 11, 12, 13, 21])
def test_opsets_old_and_new(make_graph: Any, imported: Make, picture: Array, opset: int) -> None:
    found = imported(network(make_graph, opset=opset))
    np.testing.assert_allclose(
        values(found, picture), values(imported(network(make_graph)), picture), rtol=1e-5, atol=1e-3
    )
    assert next(each.version for each in found.model.opset_import if not each.domain) >= 13


def test_float16_is_computed_in_float32(make_graph: Any, imported: Make, picture: Array) -> None:
    single = network(make_graph)
    model = onnx.ModelProto.FromString(single.SerializeToString())
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.elem_type = TensorProto.FLOAT16
    for weight in model.graph.initializer:
        if weight.data_type == TensorProto.FLOAT:
            half = numpy_helper.to_array(weight).astype(np.float16)
            weight.CopyFrom(numpy_helper.from_array(half, weight.name))
    found = imported(model)
    kinds = {each.data_type for each in found.model.graph.initializer}
    assert TensorProto.FLOAT16 not in kinds
    small = picture / 255
    apart = np.abs(values(found, small) - values(imported(single), small)).max()
    assert apart < 1e-2


def test_weights_in_other_files(make_graph: Any, imported: Make, tmp_path: Path) -> None:
    model = network(make_graph)
    path = tmp_path / "outside.onnx"
    onnx.save(
        onnx.ModelProto.FromString(model.SerializeToString()),
        path,
        save_as_external_data=True,
        location="outside.bin",
        size_threshold=0,
    )
    found = imported(path)
    assert not any(each.external_data for each in found.model.graph.initializer)
    (tmp_path / "outside.bin").unlink()
    with pytest.raises(EdgeMtlError, match=r"weights lie in outside\.bin, which cannot be read"):
        imported(path)


def test_weights_that_are_listed_as_inputs(make_graph: Any, imported: Make) -> None:
    """Before IR 4 they had to be."""
    model = network(make_graph, opset=9)
    model.ir_version = 3
    for weight in model.graph.initializer:
        model.graph.input.append(
            helper.make_tensor_value_info(weight.name, weight.data_type, weight.dims)
        )
    assert [each.name for each in imported(model).model.graph.input] == ["image"]


def test_operators_that_nobody_has_are_cut_off(make_graph: Any, imported: Make) -> None:
    """Lesson 12, plugins that are missing at load: the graph ends before them."""
    model = network(make_graph)
    model.graph.node.append(
        helper.make_node("EfficientNMS_TRT", ["out"], ["n", "found"], domain="trt.plugins")
    )
    model.opset_import.append(helper.make_opsetid("trt.plugins", 1))
    del model.graph.output[:]
    model.graph.output.append(
        helper.make_tensor_value_info("found", TensorProto.FLOAT, (1, 100, 4))
    )
    with pytest.raises(EdgeMtlError, match=r"trt\.plugins::EfficientNMS_TRT: cut the graph before"):
        imported(model)
    found = imported(model, '[import.outputs]\ns = "out"\n')
    assert "EfficientNMS_TRT" not in {node.op_type for node in found.model.graph.node}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"PK\x03\x04" + b"\0" * 60, "found a zip, such as a PyTorch checkpoint"),
        (b"", "found an empty file"),
        (b"\x18\0\0\0TFL3" + b"\0" * 40, "found a TensorFlow Lite model"),
        (b"garbage" * 9, "found something else; export it to ONNX"),
    ],
)
def test_files_that_are_no_network(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "net.onnx"
    with pytest.raises(EdgeMtlError, match="no such file"):
        read_network(path)
    path.write_bytes(data)
    with pytest.raises(EdgeMtlError, match=message):
        read_network(path)


def test_a_conversion_that_changes_what_a_network_gives_is_refused(
    make_graph: Any, imported: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edge_mtl.export.foreign import foreign_network as module

    def wrong(model: onnx.ModelProto, path: Path) -> onnx.ModelProto:
        changed = onnx.ModelProto.FromString(model.SerializeToString())
        weight = changed.graph.initializer[0]
        values = numpy_helper.to_array(weight) * np.float32(1.5)
        weight.CopyFrom(numpy_helper.from_array(values, weight.name))
        return changed

    monkeypatch.setattr(module, "modern", wrong)
    with pytest.raises(EdgeMtlError, match=r"out differs by .* from opset 12 to 17; export it"):
        imported(network(make_graph, opset=12))
