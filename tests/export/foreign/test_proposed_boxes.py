"""Boxes and scores apart, with a score for nothing or without, and what is proposed for them."""

from __future__ import annotations

import re
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
ROWS = (
    f'name = "net"\n[input]\nwidth = {WIDTH}\nheight = {HEIGHT}\n'
    '[[tasks]]\ntype = "decoded_detection"\nclasses = ["x", "y", "z"]\ncandidates = 96\n'
    'layout = "channels_last"\n[import.outputs]\n'
)
Foreign = Callable[..., ForeignNetwork]
Array = NDArray[Any]


def _levels_with_anchors(graph: Any) -> None:
    for stride in (8, 16):
        cells = (HEIGHT // stride, WIDTH // stride)
        level = graph.conv(graph.stem(stride), 12, 24, relu=False)
        shape = graph.constant(np.array([1, 3, 8, *cells]))
        split = graph.add("Reshape", level, shape)
        graph.add("Transpose", split, perm=[0, 1, 3, 4, 2], name=f"p{stride}")
        graph.output(f"p{stride}", (1, 3, *cells, 8))


def _rows(graph: Any, columns: int, name: str, activation: str | None = None, **how: int) -> str:
    """(1, 96, columns) of the cells of one level."""
    level = graph.conv(graph.stem(8), 12, columns, relu=False)
    flat = graph.add("Reshape", level, graph.constant(np.array([1, columns, 96])))
    rows = graph.add("Transpose", flat, perm=[0, 2, 1], name=None if activation else name)
    if activation:
        graph.add(activation, rows, name=name, **how)
    graph.output(name, (1, 96, columns))
    return name


def _offsets_from_anchors(graph: Any) -> None:
    _rows(graph, 4, "regression")
    _rows(graph, 1, "classification", "Sigmoid")


def _chosen_inside(graph: Any) -> None:
    """RT-DETR as its authors export it."""
    _rows(graph, 4, "boxes", "Sigmoid")
    scores = _rows(graph, 3, "every", "Sigmoid")
    graph.outputs.pop()
    graph.add("ReduceMax", scores, axes=[2], keepdims=0, name="scores")
    graph.add("ArgMax", scores, axis=2, keepdims=0, name="labels")
    graph.output("scores", (1, 96))
    graph.output("labels", (1, 96), onnx.TensorProto.INT64)


def _bins_joined(graph: Any) -> None:
    """NanoDet: scores, then bins."""
    levels = []
    for stride in (8, 16):
        level = graph.conv(graph.stem(stride), 12, 35, relu=False)
        levels.append(graph.add("Reshape", level, graph.constant(np.array([1, 35, -1]))))
    joined = graph.add("Concat", *levels, axis=2)
    graph.add("Transpose", joined, perm=[0, 2, 1], name="output")
    graph.output("output", (1, 120, 35))


@pytest.mark.parametrize(
    ("style", "said"),
    [
        (_levels_with_anchors, r"p8, p16: levels with several anchors a cell; export .* --grid"),
        (_offsets_from_anchors, r"regression holds .* offsets from anchors, no boxes"),
        (_chosen_inside, r"name the boxes and the scores of all classes before the choice"),
        (_bins_joined, r"neither the first four are boxes nor the others scores"),
    ],
)
def test_what_is_no_box_is_not_proposed_as_one(
    make_graph: Any, tmp_path: Path, style: Callable[[Any], None], said: str
) -> None:
    graph = make_graph()
    style(graph)
    found = proposal(graph.model(), tmp_path / "a.onnx")
    [problem] = found.problems
    assert re.search(said, problem)
    assert f"# NOT IMPORTABLE AS IT IS: {problem}" in found.text
    assert "[[tasks]]" not in found.text


def test_of_two_outputs_with_four_columns_a_softmax_makes_the_scores(
    make_graph: Any, imported: Foreign, tmp_path: Path
) -> None:
    graph = make_graph()
    _rows(graph, 4, "scores", "Softmax", axis=2)
    _rows(graph, 4, "boxes", "Sigmoid")
    found = proposal(graph.model(), tmp_path / "a.onnx")
    told = 'detection = { tensor = ["boxes", "scores"], boxes = "parts", background = "first" }'
    assert told in found.text
    assert imported(graph, found.text).spec.output_tensors[0].shape == (1, 96, 7, 1)


@pytest.mark.parametrize("place", ["first", "last"])
@pytest.mark.parametrize("softmax_inside", [True, False], ids=["SSD", "DETR"])
def test_a_score_for_nothing_is_left_out(
    make_graph: Any,
    imported: Foreign,
    picture: Array,
    place: str,
    softmax_inside: bool,
    values_of: Any,
    original: Any,
    close: Any,
) -> None:
    graph = make_graph()
    _rows(graph, 4, "boxes", "Sigmoid")
    _rows(graph, 4, "scores", "Softmax" if softmax_inside else None, axis=2)
    how = "" if softmax_inside else ', scores = "softmax"'
    source = f'detection = {{ tensor = ["boxes", "scores"], boxes = "parts"{how}'
    with pytest.raises(EdgeMtlError, match=r'write background = "first" or "last" in import\.outp'):
        imported(graph, f"{ROWS}{source} }}\n")
    network = imported(graph, f'{ROWS}{source}, background = "{place}" }}\n')
    found = values_of(network, picture)["detection"].reshape(96, 7)
    raw = original(graph, picture)
    scores = raw["scores"][0]
    if not softmax_inside:
        scores = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    close(found[:, 4:], scores[:, 1:] if place == "first" else scores[:, :-1])
    close(found[:, :4], raw["boxes"][0] * [WIDTH, HEIGHT, WIDTH, HEIGHT])
