"""The compiled kernels against their twins, and the faces that choose between them."""

import subprocess
import sys
import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge_mtl import ops, reference
from edge_mtl.errors import EdgeMtlError
from edge_mtl.placement import Placement
from edge_mtl.spec import DetectionTask, InputSpec, ModelSpec, SegmentationTask, TensorSpec

_kernels = pytest.importorskip("edge_mtl._kernels", reason="the compiled kernels are not built")

DTYPES = st.sampled_from(["float32", "uint8", "int8"])
SPECIALS = np.array([np.nan, np.inf, -np.inf, 3e38, -3e38, 1e-42, -0.0], np.float32)


@st.composite
def placements(draw: st.DrawFn, width: int, height: int) -> Placement:
    """Any rectangle of the input, filled by a frame of any small size: letterbox, stretch, zoom."""
    placed_width = draw(st.integers(1, width))
    placed_height = draw(st.integers(1, height))
    x = draw(st.integers(0, width - placed_width))
    y = draw(st.integers(0, height - placed_height))
    frame_size = draw(st.integers(1, 90)), draw(st.integers(1, 90))
    return Placement(frame_size, x, y, placed_width, placed_height)


@st.composite
def logits(draw: st.DrawFn, dtype: str, shape: tuple[int, ...]) -> NDArray[Any]:
    """Raw values with few distinct ones (ties) or many, some of them not finite."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if dtype != "float32":
        limits = np.iinfo(dtype)
        low, high = draw(st.sampled_from([(limits.min, limits.max + 1), (7, 10)]))
        return rng.integers(low, high, shape).astype(dtype)
    values = rng.normal(scale=3, size=shape).astype(np.float32)
    if draw(st.booleans()):
        values = np.rint(values)
    where = rng.random(shape) < draw(st.sampled_from([0.0, 0.1, 0.9]))
    values[where] = rng.choice(SPECIALS, where.sum())
    return values


def tensor(name: str, values: NDArray[Any], scale: float = 0.05, zero_point: int = 9) -> TensorSpec:
    return TensorSpec(name, values.shape, str(values.dtype), scale, zero_point)  # type: ignore[arg-type]


def describe(spec: TensorSpec) -> tuple[str, tuple[int, int, int], float, int]:
    return spec.dtype, spec.shape[1:], spec.scale, spec.zero_point


def numbers(placement: Placement) -> tuple[int, int, int, int, int, int]:
    return (*placement.frame_size, placement.x, placement.y, placement.width, placement.height)


@settings(deadline=None)
@given(data=st.data(), dtype=DTYPES, pad=st.integers(0, 255), scale=st.floats(0.002, 1.0))
def test_preprocess_equals_its_twin(data: st.DataObject, dtype: str, pad: int, scale: float):
    network_input = InputSpec(width=64, height=32, pad=pad)
    given_tensor = TensorSpec("image", (1, 3, 32, 64), dtype, scale, data.draw(st.integers(0, 127)))
    preprocess = ops.Preprocessor(network_input, given_tensor)
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    for placement in data.draw(st.lists(placements(64, 32), min_size=1, max_size=3)):
        width, height = placement.frame_size
        picture = rng.integers(0, 256, (height + 3, width + 5, 3), dtype=np.uint8)
        crop = picture[2 : 2 + height, 4 : 4 + width]
        out = np.empty((1, 3, 32, 64), dtype)
        preprocess(crop, placement, out)
        expected = reference.preprocess(crop, placement, network_input, given_tensor)
        np.testing.assert_array_equal(out, expected)


def test_preprocess_takes_rows_in_any_order():
    network_input = InputSpec(width=32, height=32)
    frame = np.random.default_rng(0).integers(0, 256, (45, 70, 3), dtype=np.uint8)
    flipped = frame[::-1]
    flipped.flags.writeable = False
    preprocess = ops.Preprocessor(network_input, TensorSpec("image", (1, 3, 32, 32)))
    placement = Placement.fit((70, 45), network_input)
    out, expected = np.empty((2, 1, 3, 32, 32), np.float32)
    preprocess(flipped, placement, out)
    preprocess(np.ascontiguousarray(flipped), placement, expected)
    np.testing.assert_array_equal(out, expected)


@settings(deadline=None, max_examples=200)
@given(
    data=st.data(),
    dtype=DTYPES,
    classes=st.integers(1, 20),
    grid=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    network_size=st.tuples(st.integers(1, 70), st.integers(1, 70)),
)
def test_segmentation_equals_its_twin(
    data: st.DataObject,
    dtype: str,
    classes: int,
    grid: tuple[int, int],
    network_size: tuple[int, int],
):
    """On logits of any size for an input of any size, that no network has, too."""
    raw = data.draw(logits(dtype, (1, classes, *grid)))
    head = _kernels.FusedHead(*network_size)
    head.add_segmentation(describe(tensor("mask", raw)))
    for placement in data.draw(st.lists(placements(*network_size), min_size=1, max_size=2)):
        for mask_size in ("frame", "network"):
            width, height = reference.mask_extent(placement, mask_size)
            mask = np.empty((height, width), np.uint8)
            head([raw], numbers(placement), [mask], [])
            expected = reference.segment(raw[0], placement, network_size, (width, height))
            np.testing.assert_array_equal(mask, expected)


@settings(deadline=None, max_examples=200)
@given(
    data=st.data(),
    score_dtype=DTYPES,
    box_dtype=DTYPES,
    classes=st.integers(1, 20),
    strides=st.lists(st.sampled_from([4, 8, 16, 32]), min_size=1, max_size=3, unique=True).map(
        sorted
    ),
    score_threshold=st.one_of(st.sampled_from([0.0, 1.0]), st.floats(0, 1)),
    iou_threshold=st.one_of(st.sampled_from([0.0, 1.0]), st.floats(0, 1)),
    max_boxes=st.sampled_from([1, 7, 300]),
)
def test_detection_equals_its_twin(
    data: st.DataObject,
    score_dtype: str,
    box_dtype: str,
    classes: int,
    strides: list[int],
    score_threshold: float,
    iou_threshold: float,
    max_boxes: int,
):
    task = DetectionTask(
        classes=tuple(f"class {i}" for i in range(classes)),
        strides=tuple(strides),
        score_threshold=score_threshold,
        iou_threshold=iou_threshold,
        max_boxes=max_boxes,
    )
    placement = data.draw(placements(97, 61))
    raw, tensors, levels = {}, {}, []
    for stride in strides:
        cells = data.draw(st.tuples(st.integers(1, 12), st.integers(1, 12)))
        names = reference.level_names(task, stride)
        raw[names[0]] = data.draw(logits(score_dtype, (1, classes, *cells)))
        raw[names[1]] = data.draw(logits(box_dtype, (1, 4, *cells)))
        tensors |= {name: tensor(name, raw[name]) for name in names}
        levels.append((stride, *(describe(tensors[name]) for name in names)))
    head = _kernels.FusedHead(97, 61)
    candidates = max(reference.MIN_CANDIDATES, max_boxes)
    head.add_detection(
        levels, reference.logit(score_threshold), iou_threshold, max_boxes, candidates
    )

    boxes, scores = np.empty((max_boxes, 4), np.float32), np.empty(max_boxes, np.float32)
    class_ids = np.empty(max_boxes, np.int32)
    [n] = head(list(raw.values()), numbers(placement), [], [(boxes, scores, class_ids)])

    expected = reference.detect(task, tensors, raw, placement)
    np.testing.assert_array_equal(boxes[:n], expected.boxes)
    np.testing.assert_array_equal(class_ids[:n], expected.class_ids)
    np.testing.assert_allclose(scores[:n], expected.scores, atol=1e-6)


def example_spec(**detection: Any) -> ModelSpec:
    return ModelSpec(
        name="example",
        input=InputSpec(width=160, height=96),
        backbone="edgenet",
        tasks=(
            SegmentationTask(name="surfaces", classes=("road", "pavement", "sky")),
            DetectionTask(name="things", classes=("car", "sign"), **detection),
            SegmentationTask(name="lanes", classes=("none", "lane"), stride=8),
        ),
    )


def example_outputs(spec: ModelSpec, dtype: str) -> tuple[list[TensorSpec], dict[str, Any]]:
    rng = np.random.default_rng(3)
    tensors = [TensorSpec(t.name, t.shape, dtype, 0.06, 3) for t in spec.output_tensors]  # type: ignore[arg-type]
    values = [rng.normal(3, 40, t.shape).clip(0, 127) for t in tensors]
    return tensors, {t.name: v.astype(dtype) for t, v in zip(tensors, values, strict=True)}


@pytest.mark.parametrize("dtype", ["float32", "uint8", "int8"])
@pytest.mark.parametrize("mask_size", ["frame", "network"])
@pytest.mark.parametrize("score_threshold", [0.0, 0.5, 1.0])
def test_fused_head_equals_its_twin(
    dtype: str, mask_size: reference.MaskSize, score_threshold: float
):
    spec = example_spec(score_threshold=score_threshold)
    tensors, raw = example_outputs(spec, dtype)
    placement = Placement.fit((201, 99), spec.input)
    head = ops.FusedHead(spec, tensors[::-1])
    detections, masks = head(raw, placement, mask_size)
    expected_detections, expected_masks = reference.fused_head(
        spec, tensors, raw, placement, mask_size
    )
    assert list(masks) == ["surfaces", "lanes"]
    for name, mask in masks.items():
        np.testing.assert_array_equal(mask.labels, expected_masks[name].labels)
        assert mask.classes == expected_masks[name].classes
    found, expected = detections["things"], expected_detections["things"]
    np.testing.assert_array_equal(found.boxes, expected.boxes)
    np.testing.assert_array_equal(found.class_ids, expected.class_ids)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-6)
    assert (len(found) == 0) == (score_threshold == 1.0)


def test_results_of_one_frame_survive_the_next():
    spec = example_spec(score_threshold=0.0)
    tensors, raw = example_outputs(spec, "float32")
    head = ops.FusedHead(spec, tensors)
    placement = Placement.fit((201, 99), spec.input)
    detections, masks = head(raw, placement, "frame")
    boxes, labels = detections["things"].boxes.copy(), masks["surfaces"].labels.copy()
    head({name: -values for name, values in raw.items()}, placement, "frame")
    np.testing.assert_array_equal(detections["things"].boxes, boxes)
    np.testing.assert_array_equal(masks["surfaces"].labels, labels)


def test_threads_may_share_an_operator():
    spec = example_spec()
    tensors, raw = example_outputs(spec, "uint8")
    head = ops.FusedHead(spec, tensors)
    placements = [Placement.fit(size, spec.input) for size in ((201, 99), (64, 240))]
    expected = [head(raw, placement, "frame")[1]["surfaces"].labels for placement in placements]
    wrong: list[int] = []

    def work(which: int) -> None:
        for _ in range(50):
            labels = head(raw, placements[which], "frame")[1]["surfaces"].labels
            if not np.array_equal(labels, expected[which]):
                wrong.append(which)

    threads = [threading.Thread(target=work, args=(which,)) for which in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ([], "needs the raw output 'surfaces', the engine has none"),
        ([TensorSpec("other", (1, 1, 1, 1))], "'surfaces', the engine has other"),
        ([TensorSpec("surfaces", (2, 3, 24, 40))], r"\(1, 3, 24, 40\), .* \(2, 3, 24, 40\)"),
        ([TensorSpec("surfaces", (1, 3, 24, 40), "uint8", 0.0)], "scale above zero"),
        ([TensorSpec("surfaces", (1, 3, 24, 40), "uint8", float("nan"))], "scale above zero"),
        ([TensorSpec("surfaces", (1, 3, 24, 40), "int8", 1.0, 128)], r"in \[-128, 127\]"),
    ],
)
def test_fused_head_needs_the_tensors_of_its_spec(tensors: list[TensorSpec], message: str):
    with pytest.raises(EdgeMtlError, match=message):
        ops.FusedHead(example_spec(), tensors)


def test_preprocessor_needs_the_input_of_its_spec():
    with pytest.raises(EdgeMtlError, match=r"\(1, 3, 32, 32\), the engine has \(1, 3, 32, 64\)"):
        ops.Preprocessor(InputSpec(width=32, height=32), TensorSpec("image", (1, 3, 32, 64)))


def test_without_the_compiled_module_the_twins_work_and_say_so_once():
    program = """
import sys
sys.modules["edge_mtl._kernels"] = None
import numpy as np
from edge_mtl import ops, reference
from edge_mtl.placement import Placement
from edge_mtl.spec import InputSpec, ModelSpec, SegmentationTask
spec = ModelSpec(name="m", input=InputSpec(width=64, height=32), backbone="edgenet",
                 tasks=(SegmentationTask(name="mask", classes=("a", "b")),))
placement = Placement.fit((50, 50), spec.input)
frame = np.arange(7500, dtype=np.uint32).astype(np.uint8).reshape(50, 50, 3)
out = np.empty((1, 3, 32, 64), np.float32)
ops.Preprocessor(spec.input, spec.input_tensor)(frame, placement, out)
assert (out == reference.preprocess(frame, placement, spec.input, spec.input_tensor)).all()
logits = np.zeros((1, 2, 8, 16), np.float32)
logits[:, 0, :, :8] = logits[:, 1, :, 8:] = 1
_, masks = ops.FusedHead(spec, spec.output_tensors)({"mask": logits}, placement, "frame")
assert masks["mask"].labels.mean() == 0.5
assert ops.compiled() is None
assert "pip install" in ops.why_not_compiled()
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr.count("the compiled kernels are missing") == 1


def test_the_compiled_module_names_its_instruction_set():
    assert ops.compiled() in ("x86-64-v4", "x86-64-v3", "baseline")
    assert ops.why_not_compiled() is None
