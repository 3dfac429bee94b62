"""Boxes in the styles of known exporters, against plain NumPy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from edge_mtl.bundle import Bundle
from edge_mtl.config import load_config
from edge_mtl.errors import EdgeMtlError
from edge_mtl.export.foreign.foreign_network import ForeignNetwork, foreign_network
from edge_mtl.export.foreign.import_spec import ImportSpec
from edge_mtl.export.foreign.loading import read_network
from edge_mtl.export.foreign.proposal import proposal

WIDTH, HEIGHT = 96, 64
HEAD = f'name = "net"\n[input]\nwidth = {WIDTH}\nheight = {HEIGHT}\n'
FIVE = 'classes = ["a", "b", "c", "d", "e"]\n'
Foreign = Callable[..., ForeignNetwork]
Array = NDArray[Any]


def yolo(
    make_graph: Any,
    *,
    columns: bool = True,
    objectness: bool = False,
    scores: bool = True,
    shape: tuple[int | str, ...] = (1, 3, HEIGHT, WIDTH),
) -> Any:
    """Boxes by their centres in pixels and sigmoid scores of 3 classes, of two levels of cells."""
    graph = make_graph(shape)
    levels = []
    numbers = 4 + objectness + 3
    for stride in (8, 16):
        features = graph.stem(stride)
        box = graph.conv(features, 12, 4, relu=False)
        score = graph.conv(features, 12, objectness + 3, relu=False)
        if scores:
            score = graph.add("Sigmoid", score)
        y, x = np.indices((HEIGHT // stride, WIDTH // stride)).astype(np.float32)
        zero, two, four = (graph.constant(np.array([n])) for n in (0, 2, 4))
        one = graph.constant(np.array([1]))
        middle = graph.add("Slice", box, zero, two, one)
        middle = graph.add("Add", middle, graph.constant(np.stack([x, y])[None] + np.float32(0.5)))
        extent = graph.add("Exp", graph.add("Slice", box, two, four, one))
        pixels = graph.add("Concat", middle, extent, axis=1)
        pixels = graph.add("Mul", pixels, graph.constant(np.float32(stride)))
        both = graph.add("Concat", pixels, score, axis=1)
        levels.append(graph.add("Reshape", both, graph.constant(np.array([0, numbers, -1]))))
    joined = graph.add("Concat", *levels, axis=2, name="output0" if columns else None)
    if not columns:
        graph.add("Transpose", joined, perm=[0, 2, 1], name="output0")
    graph.output("output0", (shape[0], *((numbers, 120) if columns else (120, numbers))))
    return graph


DECODED = (
    f'{HEAD}[[tasks]]\ntype = "decoded_detection"\nclasses = ["x", "y", "z"]\ncandidates = 120\n'
)
ROWS = 'layout = "channels_last"\nobjectness = true\n'


@pytest.mark.parametrize(
    ("style", "lines"),
    [({}, ""), ({"columns": False, "objectness": True}, ROWS)],
    ids=["ultralytics", "yolov5"],
)
def test_decoded_boxes_in_columns_and_rows(
    make_graph: Any,
    imported: Foreign,
    picture: Array,
    style: dict[str, bool],
    lines: str,
    values_of: Any,
    original: Any,
    close: Any,
) -> None:
    network = imported(yolo(make_graph, **style), DECODED + lines)
    found = values_of(network, picture)["detection"]
    assert found.shape[-1] == 1
    close(found[..., 0], original(yolo(make_graph, **style), picture)["output0"])
    # What computes pixels or joins them with scores is never quantised.
    kinds = {n.op_type for n in network.model.graph.node if n.name in network.float_nodes}
    assert {"Concat", "Mul", "Sigmoid"} <= kinds
    assert "Conv" not in kinds


def test_scores_that_are_logits_get_their_sigmoid(
    make_graph: Any, imported: Foreign, picture: Array, values_of: Any, original: Any, close: Any
) -> None:
    graph = yolo(make_graph, scores=False)
    with pytest.raises(EdgeMtlError, match=r"0 to 1; for logits write detection = \{ tensor"):
        imported(graph, DECODED)
    source = '[import.outputs]\ndetection = { tensor = "output0", scores = "logits" }\n'
    found = values_of(imported(graph, DECODED + source), picture)["detection"]
    close(found[..., 0], original(yolo(make_graph), picture)["output0"])


@pytest.mark.parametrize(
    ("was", "becomes", "proposed"),
    [
        ("", 'layout = "channels_last"\n', 'write layout = "channels_first"'),
        ("120", "121", "write candidates = 120"),
        ('"z"', '"z", "w"', "name 3 in classes"),
        ("", "objectness = true\n", "leave out objectness = true"),
        ("", 'box = "corners"\n', 'write box = "centre"'),
        ("width = 96", "width = 128", "write width = 96 in [input]"),
        ("", '[import.outputs]\ndetection = "outputs0"\n', "did you mean 'output0'"),
        ("", '[import.outputs]\nboxes = "output0"\n', "no raw tensor of the tasks"),
        ("", '[import]\ninput = "x"\n', "none of the network's inputs, which are images 1x3x64x96"),
    ],
)
def test_the_error_proposes_the_line_that_is_right(
    make_graph: Any, imported: Foreign, was: str, becomes: str, proposed: str
) -> None:
    toml = DECODED.replace(was, becomes, 1) if was else DECODED + becomes
    with pytest.raises(EdgeMtlError) as raised:
        imported(yolo(make_graph), toml)
    assert proposed in str(raised.value)
    assert "\n" not in str(raised.value)


def flat(graph: Any, x: str, channels: int, stride: int) -> str:
    cells = (HEIGHT // stride) * (WIDTH // stride)
    name: str = graph.add("Reshape", x, graph.constant(np.array([1, channels, cells])))
    return name


def yolox(make_graph: Any) -> Any:
    graph = make_graph()
    levels = []
    for stride in (8, 16, 32):
        features = graph.stem(stride)
        box = graph.conv(features, 12, 4, relu=False)
        scores = graph.add("Sigmoid", graph.conv(features, 12, 4, relu=False))
        levels.append(flat(graph, graph.add("Concat", box, scores, axis=1), 8, stride))
    joined = graph.add("Concat", *levels, axis=2)
    graph.add("Transpose", joined, perm=[0, 2, 1], name="output")
    graph.output("output", (1, 126, 8))
    return graph


def test_offsets_from_cells_are_decoded_in_the_graph(
    make_graph: Any, imported: Foreign, picture: Array, values_of: Any, original: Any, close: Any
) -> None:
    """YOLOX without --decode_in_inference."""
    toml = DECODED.replace("120", "126") + ROWS
    source = '[import.outputs]\ndetection = {{ tensor = "output", encoding = "yolox"{} }}\n'
    with pytest.raises(EdgeMtlError, match="120 cells in an input of 96x64, the network has 126"):
        imported(yolox(make_graph), toml + source.format(", strides = [8, 16]"))
    found = values_of(imported(yolox(make_graph), toml + source.format("")), picture)["detection"]
    raw = original(yolox(make_graph), picture)["output"][0]
    row = 0
    for stride in (8, 16, 32):
        for y in range(HEIGHT // stride):
            for x in range(WIDTH // stride):
                expected = [
                    *(stride * (raw[row, :2] + [x, y])),
                    *(stride * np.exp(raw[row, 2:4])),
                    *raw[row, 4:],
                ]
                close(found[0, row, :, 0], np.array(expected))
                row += 1


def end_to_end(make_graph: Any) -> Any:
    """Corners, a score and the index of a class, as YOLOv10 gives them."""
    graph = make_graph()
    values = flat(graph, graph.conv(graph.stem(16), 12, 6, relu=False), 6, 16)
    rows = graph.add("Sigmoid", graph.add("Transpose", values, perm=[0, 2, 1]))

    def part(start: int, stop: int) -> str:
        bounds = (graph.constant(np.array([n])) for n in (start, stop, 2))
        name: str = graph.add("Slice", rows, *bounds)
        return name

    corner = graph.add("Mul", part(0, 2), graph.constant(np.float32(40)))
    opposite = graph.add("Add", corner, graph.constant(np.float32(20)))
    index = graph.add("Floor", graph.add("Mul", part(5, 6), graph.constant(np.float32(2.99))))
    graph.add("Concat", corner, opposite, part(4, 5), index, axis=2, name="output0")
    graph.output("output0", (1, 24, 6))
    return graph


END_TO_END = (
    DECODED.replace("120", "24")
    + 'layout = "channels_last"\nbox = "corners"\niou_threshold = 1.0\n'
    '[import.outputs]\ndetection = { tensor = "output0", encoding = "end_to_end" }\n'
)


def test_boxes_that_were_suppressed_inside_keep_their_class(
    make_graph: Any, imported: Foreign, picture: Array, values_of: Any, original: Any, close: Any
) -> None:
    found = values_of(imported(end_to_end(make_graph), END_TO_END), picture)["detection"][
        0, :, :, 0
    ]
    raw = original(end_to_end(make_graph), picture)["output0"][0]
    close(found[:, :4], raw[:, :4])
    np.testing.assert_array_equal(found[:, 4:].argmax(1), raw[:, 5].astype(int))
    close(found[:, 4:].sum(1), raw[:, 4])


def test_boxes_and_scores_apart_are_joined(
    make_graph: Any, imported: Foreign, picture: Array, values_of: Any, original: Any, close: Any
) -> None:
    """DETR's boxes are in parts of the picture, its scores logits; here these lie in columns."""
    graph = make_graph()
    features = graph.stem(16)
    box = graph.add("Sigmoid", flat(graph, graph.conv(features, 12, 4, relu=False), 4, 16))
    graph.add("Transpose", box, perm=[0, 2, 1], name="boxes")
    score = flat(graph, graph.conv(features, 12, 3, relu=False), 3, 16)
    graph.add("Identity", score, name="scores")
    graph.output("boxes", (1, 24, 4))
    graph.output("scores", (1, 3, 24))
    toml = DECODED.replace("120", "24") + 'layout = "channels_last"\n[import.outputs]\n'
    joined = 'detection = { tensor = ["boxes", "scores"], scores = "logits"'
    with pytest.raises(EdgeMtlError, match=r'boxes = "parts"'):
        imported(graph, f"{toml}{joined} }}\n")
    found = values_of(imported(graph, f'{toml}{joined}, boxes = "parts" }}\n'), picture)
    values, raw = found["detection"][0, :, :, 0], original(graph, picture)
    close(values[:, :4], raw["boxes"][0] * [WIDTH, HEIGHT, WIDTH, HEIGHT])
    close(values[:, 4:], 1 / (1 + np.exp(-raw["scores"][0].T)))


@pytest.mark.parametrize(("bins", "joined"), [(16, True), (8, False), (1, False)])
def test_raw_levels_with_bins_and_without(
    make_graph: Any,
    imported: Foreign,
    picture: Array,
    bins: int,
    joined: bool,
    values_of: Any,
    original: Any,
    close: Any,
) -> None:
    """Ultralytics' raw levels hold 4 times 16 bins, then the classes' logits, in one tensor."""
    graph = make_graph()
    sources = []
    for stride in (8, 16):
        cells = (HEIGHT // stride, WIDTH // stride)
        features = graph.stem(stride)
        boxes = graph.conv(features, 12, 4 * bins, relu=False, name=f"reg{stride}")
        scores = graph.conv(features, 12, 3, relu=False, name=f"cls{stride}")
        if joined:
            graph.add("Concat", boxes, scores, axis=1, name=f"o{stride}")
            graph.output(f"o{stride}", (1, 4 * bins + 3, *cells))
            for name, start, stop in (("boxes", 0, 4 * bins), ("scores", 4 * bins, 4 * bins + 3)):
                sources.append(
                    f'detection_{name}_{stride} = {{ tensor = "o{stride}", '
                    f"channels = [{start}, {stop}] }}\n"
                )
        else:
            graph.output(boxes, (1, 4 * bins, *cells))
            graph.output(scores, (1, 3, *cells))
    toml = f'{HEAD}[[tasks]]\ntype = "detection"\nclasses = ["x", "y", "z"]\nstrides = [8, 16]\n'
    toml += f"bins = {bins}\n" * (bins > 1)
    # Outputs that differ in shape need no names.
    network = imported(graph, toml + "[import.outputs]\n" * joined + "".join(sources))
    found, raw = values_of(network, picture), original(graph, picture)
    for stride in (8, 16):
        both = raw[f"o{stride}"] if joined else np.concatenate(
            [raw[f"reg{stride}"], raw[f"cls{stride}"]], 1
        )  # fmt: skip
        close(found[f"detection_boxes_{stride}"], both[:, : 4 * bins])
        close(found[f"detection_scores_{stride}"], both[:, 4 * bins :])


@pytest.mark.parametrize(
    "style",
    [
        lambda g: yolo(g),
        lambda g: yolo(g, columns=False, objectness=True),
        lambda g: yolo(g, scores=False),
        yolox,
        end_to_end,
    ],
    ids=["ultralytics", "yolov5", "logits", "yolox", "end-to-end"],
)
def test_what_is_proposed_is_importable(
    make_graph: Any, imported: Foreign, tmp_path: Path, style: Callable[[Any], Any]
) -> None:
    model = style(make_graph).model()
    found = proposal(model, tmp_path / "proposed.onnx")
    assert not found.problems
    assert imported(model, found.text).model.graph.output


def candidates(
    make_graph: Any, extra: int, *, note: Mapping[str, str] = MappingProxyType({})
) -> onnx.ModelProto:
    """YOLOv8's columns with further numbers of every candidate, and what Ultralytics notes."""
    graph = yolo(make_graph)
    graph.outputs.clear()
    more = graph.constant(np.random.default_rng(0).normal(size=(1, extra, 120)).astype(np.float32))
    graph.add("Concat", "output0", more, axis=1, name="output")
    graph.output("output", (1, 7 + extra, 120))
    if extra == 32:
        masks = graph.conv(graph.stem(4), 12, 32, relu=False, name="output1")
        graph.output(masks, (1, 32, 16, 24))
    model: onnx.ModelProto = graph.model()
    for key, value in note.items():
        model.metadata_props.add(key=key, value=value)
    return model


NAMES = "{0: 'x', 1: 'y', 2: 'z'}"


@pytest.mark.parametrize(
    ("extra", "note", "remark"),
    [
        (32, {"names": NAMES, "task": "segment"}, "the last 32 numbers of a candidate make masks"),
        (32, {}, "the last 32 numbers of a candidate make masks"),
        (1, {"names": NAMES, "task": "obb"}, "the angles of the boxes are left out"),
        (51, {"names": NAMES, "task": "pose", "kpt_shape": "[17, 3]"}, ""),
    ],
    ids=["masks", "masks, not noted", "angles", "keypoints"],
)
def test_what_candidates_have_beside_boxes_and_scores_is_left_out(
    make_graph: Any,
    imported: Foreign,
    tmp_path: Path,
    extra: int,
    note: dict[str, str],
    remark: str,
) -> None:
    """As scores they would be classes that do not exist."""
    model = candidates(make_graph, extra, note=note)
    found = proposal(model, tmp_path / "a.onnx")
    assert not found.problems
    assert remark in found.text
    assert found.text.count("[[tasks]]") == 1
    assert 'detection = { tensor = "output", channels = [0, 7] }' in found.text
    [tensor] = imported(model, found.text).spec.output_tensors
    assert tensor.shape[1:3] == (7, 120)


def test_other_encodings_have_no_background(make_graph: Any, imported: Foreign) -> None:
    toml = f'{DECODED}{ROWS}[import.outputs]\ndetection = {{ tensor = "output", encoding = "yolox"'
    with pytest.raises(EdgeMtlError, match="whose scores have no Softmax and no background; leave"):
        imported(yolox(make_graph), f'{toml}, strides = [8, 16], background = "last" }}\n')


def test_fastestdet_is_imported_by_its_proposal(tmp_path: Path, pictures: Any, peers: Path) -> None:
    """The boxes of the same network, decoded by its own code and by the nodes that are appended."""
    from edge_mtl.export.edges import edge_tensors
    from edge_mtl.labelling.fastestdet import FastestDet
    from edge_mtl.runtime.pipeline import Pipeline

    path, spec_path = peers / "fastestdet_352.onnx", tmp_path / "spec.toml"
    text = proposal(read_network(path), path).text
    assert 'encoding = "fastestdet"' in text
    text = text.replace('"letterbox"', '"stretch"', 1)
    text = text.replace('colours = "rgb"', 'colours = "bgr"')  # it was trained on what OpenCV reads
    text = text.replace("candidates", "score_threshold = 0.02\niou_threshold = 1.0\ncandidates")
    spec_path.write_text(text)
    network = foreign_network(path, load_config(spec_path, ImportSpec), spec_path, pictures(2))
    bundle = Bundle.create(
        tmp_path / "f.emtl",
        {"network.onnx": network.model.SerializeToString()},
        spec=network.spec,
        target="cpu",
        precision="fp32",
        **edge_tensors(network.model, network.spec)._asdict(),
    )
    image = pictures(1, (704, 352))[0].image
    with Pipeline.from_bundle(bundle, "onnxruntime", threads=1) as pipeline:
        found = pipeline(image).detections["detection"]
    theirs = FastestDet(path, mirror=False, threads=1)._look(image)
    theirs_best = theirs.scores.argsort()[::-1][:5]
    for i in theirs_best:
        apart = np.abs(found.boxes - theirs.corners[i].clip(0, [704, 352, 704, 352])).max(1)
        j = apart.argmin()
        assert apart[j] < 1.0
        assert abs(found.scores[j] - theirs.scores[i]) < 0.01
        assert found.class_ids[j] == theirs.class_ids[i]


def test_a_network_of_any_size_is_proposed_at_the_size_that_is_asked_for(
    make_graph: Any, tmp_path: Path
) -> None:
    model = yolo(make_graph, shape=("batch", 3, "height", "width")).model()
    path = tmp_path / "net.onnx"
    text = proposal(model, path, (WIDTH, HEIGHT)).text
    assert "width = 96\nheight = 64" in text
    assert "candidates = 120" in text
    onnx.helper.set_model_props(model, {"imgsz": "[64, 96]", "names": "{0: 'x', 1: 'y', 2: 'z'}"})
    text = proposal(model, path).text
    assert "width = 96\nheight = 64" in text
    assert 'classes = ["x", "y", "z"]' in text
