from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_mtl import zoo
from edge_mtl.bundle import Bundle
from edge_mtl.onnx_references import NotOnnxError, refers_to_files

onnx = pytest.importorskip("onnx", reason="onnx, of the extra export, makes the test graphs")


def external(name: str, location: str = "/etc/passwd", data_location: bool = True) -> Any:
    tensor = onnx.TensorProto(name=name, data_type=onnx.TensorProto.UINT8, dims=[4])
    tensor.external_data.add(key="location", value=location)
    if data_location:
        tensor.data_location = onnx.TensorProto.EXTERNAL
    return tensor


def inside(name: str) -> Any:
    return onnx.numpy_helper.from_array(np.zeros(4, np.uint8), name)


def graph_with(*initializers: Any, nodes: tuple[Any, ...] = ()) -> Any:
    out = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.UINT8, [4])
    return onnx.helper.make_graph(list(nodes), "g", [], [out], list(initializers))


def model_of(graph: Any, **fields: Any) -> Any:
    return onnx.helper.make_model(graph, **fields)


def constant(tensor: Any) -> Any:
    return onnx.helper.make_node("Constant", [], ["y"], value=tensor)


def branch(tensor: Any) -> Any:
    there, other = graph_with(nodes=(constant(tensor),)), graph_with(inside("w"))
    return onnx.helper.make_node("If", ["c"], ["y"], then_branch=other, else_branch=there)


def sparse(values: Any) -> Any:
    return onnx.SparseTensorProto(values=values, indices=inside("i"), dims=[8])


def in_sparse_initializer(tensor: Any) -> Any:
    graph = graph_with(inside("w"))
    graph.sparse_initializer.append(sparse(tensor))
    return model_of(graph)


def in_function(tensor: Any) -> Any:
    opset = [onnx.helper.make_opsetid("", 18)]
    body = onnx.helper.make_function("d", "f", [], ["y"], [branch(tensor)], opset)
    return model_of(graph_with(inside("w")), functions=[body])


def in_training(tensor: Any) -> Any:
    model = model_of(graph_with(inside("w")))
    model.training_info.add().initialization.CopyFrom(graph_with(tensor))
    return model


def in_list(tensor: Any) -> Any:
    node = onnx.helper.make_node("Custom", [], ["y"], tensors=[inside("a"), tensor])
    return model_of(graph_with(nodes=(node,)))


HIDING_PLACES = {
    "initializer": lambda tensor: model_of(graph_with(inside("w"), tensor)),
    "constant": lambda tensor: model_of(graph_with(nodes=(constant(tensor),))),
    "branch": lambda tensor: model_of(graph_with(nodes=(branch(tensor),))),
    "list": in_list,
    "sparse": in_sparse_initializer,
    "function": in_function,
    "training": in_training,
}


@pytest.mark.parametrize("place", HIDING_PLACES)
@pytest.mark.parametrize("data_location", [True, False])
def test_a_tensor_in_another_file_is_found_wherever_it_hides(
    place: str, data_location: bool
) -> None:
    make = HIDING_PLACES[place]
    assert not refers_to_files(make(inside("x")).SerializeToString())
    hostile = make(external("x", data_location=data_location))
    assert refers_to_files(hostile.SerializeToString())


def test_a_second_graph_field_is_searched_too() -> None:
    """Parsers merge a message that is there twice."""
    first = model_of(graph_with(inside("w"))).SerializeToString()
    second = model_of(graph_with(external("x"))).SerializeToString()
    assert len(onnx.load_model_from_string(first + second).graph.initializer) == 2
    assert refers_to_files(first + second)


def test_the_address_of_memory_is_a_reference_too() -> None:
    hostile = model_of(graph_with(external("x", "*/_ORT_MEM_ADDR_/*")))
    assert refers_to_files(hostile.SerializeToString())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x08",
        b"\x08\x09",
        b"\x3a\x05ab",
        b"<?xml version='1.0'?><net/>",
        b"\x18\x00\x00\x00ORTM" + bytes(64),
        b"\x08\x09\x3a\x02\x0b\x0c",
        b"\x08\x09\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\x08\x09" + b"\xff" * 64,
    ],
)
def test_what_is_no_onnx_model(data: bytes) -> None:
    with pytest.raises(NotOnnxError):
        refers_to_files(data)


def test_graphs_in_graphs_without_end() -> None:
    def field(number: int, contents: bytes) -> bytes:
        size, length = len(contents), b""
        while size >= 128:
            length += bytes([size & 127 | 128])
            size >>= 7
        return bytes([number << 3 | 2]) + length + bytes([size]) + contents

    graph = b""
    for _ in range(5000):  # a node with an attribute that is a graph
        graph = field(1, field(5, field(6, graph)))
    with pytest.raises(NotOnnxError, match="nested too deeply"):
        refers_to_files(b"\x08\x09" + field(7, graph))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_whatever_the_bytes_it_answers_or_says_that_it_is_no_model(data: st.DataObject) -> None:
    valid = model_of(graph_with(inside("w"), nodes=(branch(inside("x")),))).SerializeToString()
    changed = bytearray(valid)
    for _ in range(data.draw(st.integers(0, 4))):
        changed[data.draw(st.integers(0, len(valid) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = refers_to_files(bytes(changed))
    except NotOnnxError:
        return
    assert found in (True, False)


def test_the_shipped_graph_is_searched_in_milliseconds() -> None:
    network = Bundle.open(zoo.locate("driving-s", ".emtl")).network
    start = time.perf_counter()
    assert not refers_to_files(network)
    assert time.perf_counter() - start < 0.5
