"""Masks and classes of pictures in the styles of known exporters, against plain NumPy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from edge_mtl.errors import EdgeMtlError
from edge_mtl.export.foreign.foreign_network import ForeignNetwork
from edge_mtl.export.foreign.proposal import proposal

WIDTH, HEIGHT = 96, 64
HEAD = f'name = "net"\n[input]\nwidth = {WIDTH}\nheight = {HEIGHT}\n'
FIVE = 'classes = ["a", "b", "c", "d", "e"]\n'
Foreign = Callable[..., ForeignNetwork]
Array = NDArray[Any]


def segmenter(make_graph: Any, finish: Callable[[Any, str], None], stride: int = 4) -> Any:
    graph = make_graph()
    finish(graph, graph.conv(graph.stem(stride), 12, 5, relu=False, name="logits"))
    return graph


def _plain(graph: Any, logits: str) -> None:
    graph.output(logits, (1, 5, 16, 24))


def _softmax(graph: Any, logits: str) -> None:
    graph.add("Softmax", logits, axis=1, name="out")
    graph.output("out", (1, 5, 16, 24))


def _last(graph: Any, logits: str) -> None:
    graph.add("Transpose", logits, perm=[0, 2, 3, 1], name="out")
    graph.output("out", (1, 16, 24, 5))


def _softmax_last(graph: Any, logits: str) -> None:
    moved = graph.add("Transpose", logits, perm=[0, 2, 3, 1])
    graph.add("Softmax", moved, axis=-1, name="out")
    graph.output("out", (1, 16, 24, 5))


def _rows_of_cells(graph: Any, logits: str) -> None:
    """SegFormer before its reshape: (1, cells, classes)."""
    flat = graph.add("Reshape", logits, graph.constant(np.array([1, 5, 16 * 24])))
    graph.add("Transpose", flat, perm=[0, 2, 1], name="out")
    graph.output("out", (1, 16 * 24, 5))


def _argmax(graph: Any, logits: str) -> None:
    graph.add("ArgMax", logits, axis=1, keepdims=0, name="out")
    graph.output("out", (1, 16, 24), onnx.TensorProto.INT64)


def _argmax_as_float(graph: Any, logits: str) -> None:
    chosen = graph.add("ArgMax", logits, axis=1, keepdims=1)
    graph.add("Cast", chosen, to=1, name="out")
    graph.output("out", (1, 1, 16, 24))


SEGMENTATION = f'{HEAD}[[tasks]]\ntype = "segmentation"\nname = "surface"\n{FIVE}stride = 4\n'


@pytest.mark.parametrize("finish", [_plain, _softmax, _last, _softmax_last, _rows_of_cells])
def test_logits_of_a_segmentation_in_any_layout(
    make_graph: Any,
    imported: Foreign,
    picture: Array,
    finish: Any,
    values_of: Any,
    original: Any,
    close: Any,
) -> None:
    network = imported(segmenter(make_graph, finish), SEGMENTATION)
    expected = original(segmenter(make_graph, _plain), picture)["logits"]
    close(values_of(network, picture)["surface"], expected)
    assert bool(network.notes) == (finish in (_softmax, _softmax_last))


@pytest.mark.parametrize("finish", [_argmax, _argmax_as_float])
def test_a_network_that_gives_classes_is_cut_where_the_error_says(
    make_graph: Any,
    imported: Foreign,
    picture: Array,
    finish: Any,
    values_of: Any,
    original: Any,
    close: Any,
) -> None:
    graph = segmenter(make_graph, finish)
    with pytest.raises(EdgeMtlError, match=r'write surface = "logits", the tensor that it reads'):
        imported(graph, SEGMENTATION)
    network = imported(graph, f'{SEGMENTATION}[import.outputs]\nsurface = "logits"\n')
    expected = original(segmenter(make_graph, _plain), picture)["logits"]
    close(values_of(network, picture)["surface"], expected)


def test_one_logit_behind_a_sigmoid_is_a_binary_mask(
    make_graph: Any, imported: Foreign, picture: Array, values_of: Any, original: Any, close: Any
) -> None:
    graph = make_graph()
    logit = graph.conv(graph.stem(8), 12, 1, relu=False)
    graph.add("Sigmoid", logit, name="mask")
    graph.output("mask", (1, 1, 8, 12))
    task = '[[tasks]]\ntype = "segmentation"\nname = "road"\nclasses = ["no", "road"]\nstride = 8\n'
    with pytest.raises(EdgeMtlError, match="write binary = true in the task"):
        imported(graph, HEAD + task)
    network = imported(graph, f"{HEAD}{task}binary = true\n")
    assert network.notes == ("road: took off the Sigmoid behind its logits, which the head does",)
    found = values_of(network, picture)["road"]
    close(1 / (1 + np.exp(-found)), original(graph, picture)["mask"])


def test_heads_of_one_shape_must_be_named(
    make_graph: Any, imported: Foreign, picture: Array, values_of: Any, original: Any, close: Any
) -> None:
    """PIDNet gives a map of its details and two of classes."""
    graph = make_graph()
    features = graph.stem(8)
    for name, channels in (("extra_p", 5), ("main", 5), ("extra_d", 1)):
        graph.conv(features, 12, channels, relu=False, name=name)
        graph.output(name, (1, channels, 8, 12))
    toml = SEGMENTATION.replace("stride = 4", "stride = 8")
    with pytest.raises(EdgeMtlError, match=r"surface is 1x5x8x12.*more than one that fits"):
        imported(graph, toml)
    network = imported(graph, f'{toml}[import.outputs]\nsurface = "main"\n')
    found = values_of(network, picture)
    assert found.keys() == {"surface"}
    close(found["surface"], original(graph, picture)["main"])


@pytest.mark.parametrize(
    ("size", "cells", "line"),
    [((97, 65), (9, 13), "stride = 8"), ((90, 66), (7, 11), "grid = [11, 7]")],
)
def test_inputs_and_strides_of_any_size(
    make_graph: Any,
    imported: Foreign,
    size: tuple[int, int],
    cells: tuple[int, int],
    line: str,
) -> None:
    width, height = size
    graph = make_graph((1, 3, height, width))
    logits = graph.conv(graph.stem(8), 12, 5, relu=False, name=None)
    rows, columns = -(-height // 8), -(-width // 8)
    if (rows, columns) != cells:  # a convolution without padding leaves out the rim
        begin, end = graph.constant(np.array([1, 0])), graph.constant(np.array([8, 11]))
        logits = graph.add("Slice", logits, begin, end, graph.constant(np.array([2, 3])))
    graph.add("Identity", logits, name="out")
    graph.output("out", (1, 5, *cells))
    head = f'name = "net"\n[input]\nwidth = {width}\nheight = {height}\n'
    task = f'[[tasks]]\ntype = "segmentation"\nname = "surface"\n{FIVE}'
    with pytest.raises(EdgeMtlError) as raised:
        imported(graph, f"{head}{task}stride = 4\n")
    assert line in str(raised.value)
    network = imported(graph, f"{head}{task}{line}\n")
    assert network.spec.output_tensors[0].shape == (1, 5, *cells)


@pytest.mark.parametrize("end", ["Gemm", "Conv", "Softmax", "Sigmoid"])
def test_logits_of_a_picture(
    make_graph: Any,
    imported: Foreign,
    picture: Array,
    end: str,
    values_of: Any,
    original: Any,
    close: Any,
) -> None:
    def classifier(last: str) -> Any:
        graph = make_graph(("batch", 3, "height", "width"))
        pooled = graph.add("GlobalAveragePool", graph.stem(8))
        if last == "Conv":
            graph.conv(pooled, 12, 4, relu=False, kernel=1, name="logits")
            graph.output("logits", ("batch", 4, 1, 1))
            return graph
        weight = np.random.default_rng(1).normal(size=(12, 4)).astype(np.float32)
        row = graph.add("Flatten", pooled)
        logits = graph.add("Gemm", row, graph.constant(weight), name="row")
        graph.add("Identity" if last == "Gemm" else last, logits, name="logits")
        graph.output("logits", ("batch", 4))
        return graph

    task = '[[tasks]]\ntype = "classification"\nname = "time"\nclasses = ["a", "b", "c", "d"]\n'
    if end == "Sigmoid":
        with pytest.raises(EdgeMtlError, match="write multi_label = true"):
            imported(classifier(end), HEAD + task)
        task += "multi_label = true\n"
    network = imported(classifier(end), HEAD + task)
    wanted = classifier("Conv" if end == "Conv" else "Gemm")
    found = values_of(network, picture)["time"]
    assert found.shape == (1, 4, 1, 1)
    close(found.ravel(), original(wanted, picture)["logits"].ravel())


def _argmax_and_how_sure(graph: Any, logits: str) -> None:
    shares = graph.add("Softmax", logits, axis=1)
    graph.add("ReduceMax", shares, axes=[1], keepdims=0, name="sure")
    _argmax(graph, logits)
    graph.output("sure", (1, 16, 24))


@pytest.mark.parametrize(
    "finish",
    [_softmax_last, _rows_of_cells, _argmax, _argmax_as_float, _argmax_and_how_sure],
)
def test_what_is_proposed_is_importable(
    make_graph: Any, imported: Foreign, tmp_path: Path, finish: Any
) -> None:
    """How many classes there are and at which stride, logits tell before an ArgMax too."""
    model = segmenter(make_graph, finish).model()
    found = proposal(model, tmp_path / "proposed.onnx")
    assert not found.problems
    assert found.text.count("[[tasks]]") == 1
    assert 'classes = ["class_0", "class_1", "class_2", "class_3", "class_4"]' in found.text
    assert "stride = 4" in found.text
    assert imported(model, found.text).spec.output_tensors[0].shape == (1, 5, 16, 24)


def test_logits_and_their_choice_are_one_task(make_graph: Any, tmp_path: Path) -> None:
    def both(graph: Any, logits: str) -> None:
        _plain(graph, logits)
        _argmax(graph, logits)

    found = proposal(segmenter(make_graph, both).model(), tmp_path / "a.onnx")
    assert not found.problems
    assert found.text.count("[[tasks]]") == 1
    assert found.text.endswith('[import.outputs]\nlogits = "logits"\n')


def test_a_depth_is_no_mask(make_graph: Any, tmp_path: Path) -> None:
    graph = make_graph()
    distance = graph.conv(graph.stem(4), 12, 1, gain=30.0)
    graph.add("Squeeze", distance, graph.constant(np.array([1])), name="depth")
    graph.output("depth", (1, 16, 24))
    [problem] = proposal(graph.model(), tmp_path / "a.onnx").problems
    assert problem.startswith("depth 1x16x24 holds 0 to ")
