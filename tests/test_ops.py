"""The faces of the kernels: whole networks in one call, and what stands in for missing kernels."""

import subprocess
import sys
import threading
from typing import Any

import msgspec
import numpy as np
import pytest

from edge_mtl import ops, reference
from edge_mtl.errors import EdgeMtlError
from edge_mtl.placement import Placement
from edge_mtl.scene import Scene
from edge_mtl.spec import InputSpec, ModelSpec
from edge_mtl.tasks import ClassificationTask, DetectionTask, PoseTask, SegmentationTask
from edge_mtl.tensor_spec import TensorSpec

pytest.importorskip("edge_mtl._kernels", reason="the compiled kernels are not built")


def test_preprocess_takes_rows_in_any_order():
    network_input = InputSpec(width=32, height=32)
    frame = np.random.default_rng(0).integers(0, 256, (45, 70, 3), dtype=np.uint8)
    flipped = frame[::-1]
    flipped.flags.writeable = False
    preprocess = ops.Preprocessor(network_input, TensorSpec("image", (1, 3, 32, 32)))
    placement = Placement.fit((70, 45), network_input)
    out, expected = np.empty((2, 1, 3, 32, 32), np.float32)
    preprocess([flipped], [placement], out)
    preprocess([np.ascontiguousarray(flipped)], [placement], expected)
    np.testing.assert_array_equal(out, expected)


def example_spec(**detection: Any) -> ModelSpec:
    return ModelSpec(
        name="example",
        input=InputSpec(width=160, height=96),
        backbone="edgenet",
        tasks=(
            SegmentationTask(name="surfaces", classes=("road", "pavement", "sky")),
            ClassificationTask(name="weather", classes=("dry", "rain", "fog")),
            DetectionTask(name="plates", classes=("plate",), strides=(16,), max_boxes=9),
            DetectionTask(name="things", classes=("car", "person", "dog"), **detection),
            PoseTask(detection="things", classes=("dog", "person"), keypoints=("head", "tail")),
            SegmentationTask(name="lanes", classes=("none", "lane"), stride=8, binary=True),
            PoseTask(
                name="corners",
                detection="plates",
                classes=("plate",),
                keypoints=("a",),
                strides=(16,),
            ),
            ClassificationTask(name="present", classes=("sun", "people"), multi_label=True),
        ),
    )


def example_outputs(
    spec: ModelSpec, dtype: str, batch: int = 1
) -> tuple[list[TensorSpec], dict[str, Any]]:
    rng = np.random.default_rng(3)
    tensors = [
        TensorSpec(t.name, (batch, *t.shape[1:]), dtype, 0.06, 3)  # type: ignore[arg-type]
        for t in spec.output_tensors
    ]
    values = [rng.normal(3, 40, t.shape).clip(0, 127) for t in tensors]
    if dtype in ("float32", "float16"):
        values = [value - 20 for value in values]
    return tensors, {t.name: v.astype(dtype) for t, v in zip(tensors, values, strict=True)}


def results_of(scene: Scene) -> dict[tuple[str, str, str], Any]:
    """Every array of a scene as its type, shape and bits, and the names in it."""
    kinds = {
        "detections": scene.detections,
        "masks": scene.masks,
        "poses": scene.poses,
        "classifications": scene.classifications,
    }
    values = {
        (kind, task, field.name): getattr(result, field.name)
        for kind, results in kinds.items()
        for task, result in results.items()
        for field in msgspec.structs.fields(result)
    }
    return {
        key: (value.dtype, value.shape, value.tobytes()) if isinstance(value, np.ndarray) else value
        for key, value in values.items()
    }


@pytest.mark.parametrize("dtype", ["float32", "float16", "uint8", "int8"])
@pytest.mark.parametrize("mask_size", ["frame", "network"])
@pytest.mark.parametrize("score_threshold", [0.0, 0.5, 1.0])
def test_fused_head_equals_its_twin(
    dtype: str, mask_size: reference.MaskSize, score_threshold: float
):
    spec = example_spec(score_threshold=score_threshold)
    tensors, raw = example_outputs(spec, dtype)
    placement = Placement.fit((201, 99), spec.input)
    head = ops.FusedHead(spec, tensors[::-1])
    [scene] = head(raw, [placement], mask_size)
    expected = reference.fused_head(spec, tensors, raw, placement, mask_size)
    assert results_of(scene) == results_of(expected)
    assert scene.size == (201, 99)
    assert list(scene.masks) == ["surfaces", "lanes"]
    assert set(scene.masks["lanes"].shares()) == {"none", "lane"}
    assert 0 < len(scene.poses["corners"]) == len(scene.detections["plates"])
    found, poses = scene.detections["things"], scene.poses["pose"]
    assert (len(found) == 0) == (score_threshold == 1.0)
    assert poses.rows.tolist() == np.flatnonzero(found.class_ids != 0).tolist()
    assert len(poses) < len(found) or score_threshold == 1.0
    assert scene.classifications["weather"].scores.sum() == pytest.approx(1)


@pytest.mark.parametrize("first", range(4))
def test_every_raw_output_may_have_another_dtype(first: int):
    """As where the accuracy gate left one head in float, or one level of it."""
    spec = example_spec(score_threshold=0.3)
    dtypes = ("float32", "float16", "uint8", "int8")
    made = [example_outputs(spec, dtype) for dtype in dtypes]
    chosen = [(first + i) % len(dtypes) for i in range(len(spec.output_tensors))]
    tensors = [made[kind][0][i] for i, kind in enumerate(chosen)]
    raw = {t.name: made[kind][1][t.name] for t, kind in zip(tensors, chosen, strict=True)}
    assert {each.dtype for each in tensors} == set(dtypes)
    placement = Placement.fit((201, 99), spec.input)
    [scene] = ops.FusedHead(spec, tensors)(raw, [placement], "frame")
    expected = reference.fused_head(spec, tensors, raw, placement, "frame")
    assert results_of(scene) == results_of(expected)
    assert len(scene.detections["things"]) > 0


def test_results_of_one_frame_survive_the_next():
    spec = example_spec(score_threshold=0.0)
    tensors, raw = example_outputs(spec, "float32")
    head = ops.FusedHead(spec, tensors)
    placement = Placement.fit((201, 99), spec.input)
    [scene] = head(raw, [placement], "frame")
    before = results_of(scene)
    [other] = head({name: -values for name, values in raw.items()}, [placement], "frame")
    assert results_of(other) != before
    assert results_of(scene) == before


SIZES = (201, 99), (64, 240), (31, 33)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("dtype", ["float16", "uint8"])
def test_lesson_every_camera_of_a_batch_has_its_results(dtype: str, threads: int):
    """DeepStream-Yolo#667: of a batch only the first item was filled."""
    spec = example_spec()
    tensors, raw = example_outputs(spec, dtype, 3)
    head = ops.FusedHead(spec, tensors, threads)
    placements = [Placement.fit(size, spec.input) for size in SIZES]
    # Batches that are not full, and then a camera in another's place.
    for order in ([0], [0, 1], [0, 1, 2], [2, 1, 0]):
        chosen = [placements[i] for i in order]
        scenes = head(raw, chosen, "frame")
        for frame, (scene, placement) in enumerate(zip(scenes, chosen, strict=True)):
            alone = {name: each[frame : frame + 1] for name, each in raw.items()}
            expected = reference.fused_head(spec, tensors, alone, placement, "frame")
            assert results_of(scene) == results_of(expected)


def test_masks_that_are_worth_several_threads_are_those_of_one():
    spec = example_spec()
    tensors, raw = example_outputs(spec, "uint8")
    placement = Placement.fit((1280, 960), spec.input)  # two masks of over a megabyte each
    [alone] = ops.FusedHead(spec, tensors, 1)(raw, [placement], "frame")
    shared = ops.FusedHead(spec, tensors, 3)
    for _ in range(5):
        [scene] = shared(raw, [placement], "frame")
        assert results_of(scene) == results_of(alone)


@pytest.mark.parametrize("threads", [1, 3])
def test_a_batch_of_frames_is_preprocessed_one_after_the_other(threads: int):
    network_input = InputSpec(width=96, height=64)
    tensor = TensorSpec("image", (3, 3, 64, 96), "int8", 0.02, 3)
    preprocess = ops.Preprocessor(network_input, tensor, threads)
    rng = np.random.default_rng(5)
    frames = [rng.integers(0, 256, (height, width, 3), np.uint8) for width, height in SIZES]
    for order in ([0], [0, 1], [0, 1, 2], [2, 1, 0]):
        out = np.full(tensor.shape, 77, np.int8)
        chosen = [frames[i] for i in order]
        placements = [Placement.fit(SIZES[i], network_input) for i in order]
        preprocess(chosen, placements, out)
        for i, (frame, placement) in enumerate(zip(chosen, placements, strict=True)):
            expected = reference.preprocess(frame, placement, network_input, tensor)
            np.testing.assert_array_equal(out[i : i + 1], expected)
        assert (out[len(order) :] == 77).all()


def test_threads_may_share_an_operator():
    spec = example_spec()
    tensors, raw = example_outputs(spec, "uint8")
    head = ops.FusedHead(spec, tensors)
    placements = [Placement.fit(size, spec.input) for size in ((201, 99), (64, 240))]
    expected = [results_of(head(raw, [placement], "frame")[0]) for placement in placements]
    wrong: list[int] = []

    def work(which: int) -> None:
        for _ in range(50):
            [scene] = head(raw, [placements[which]], "frame")
            if results_of(scene) != expected[which]:
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
        ([TensorSpec("surfaces", (2, 3, 24, 41))], r"\(2, 3, 24, 40\), .* \(2, 3, 24, 41\)"),
        ([TensorSpec("surfaces", (0, 3, 24, 40))], "a batch of 1 to 16 frames, .* of 0"),
        ([TensorSpec("surfaces", (17, 3, 24, 40))], "a batch of 1 to 16 frames, .* of 17"),
        ([TensorSpec("surfaces", (1, 3, 24, 40), "uint8", 0.0)], "scale above zero"),
        ([TensorSpec("surfaces", (1, 3, 24, 40), "uint8", float("nan"))], "scale above zero"),
        ([TensorSpec("surfaces", (1, 3, 24, 40), "int8", 1.0, 128)], r"in \[-128, 127\]"),
    ],
)
def test_fused_head_needs_the_tensors_of_its_spec(tensors: list[TensorSpec], message: str):
    with pytest.raises(EdgeMtlError, match=message):
        ops.FusedHead(example_spec(), tensors)


def test_raw_outputs_have_one_batch_size():
    spec = example_spec()
    tensors = [
        TensorSpec(each.name, (2 if i else 1, *each.shape[1:]))
        for i, each in enumerate(spec.output_tensors)
    ]
    with pytest.raises(EdgeMtlError, match="one batch size, the engine has 1 and 2"):
        ops.FusedHead(spec, tensors)


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
from edge_mtl.spec import InputSpec, ModelSpec
from edge_mtl.tasks import SegmentationTask
spec = ModelSpec(name="m", input=InputSpec(width=64, height=32), backbone="edgenet",
                 tasks=(SegmentationTask(name="mask", classes=("a", "b")),))
placement = Placement.fit((50, 50), spec.input)
frame = np.arange(7500, dtype=np.uint32).astype(np.uint8).reshape(50, 50, 3)
out = np.empty((1, 3, 32, 64), np.float32)
ops.Preprocessor(spec.input, spec.input_tensor)([frame], [placement], out)
assert (out == reference.preprocess(frame, placement, spec.input, spec.input_tensor)).all()
logits = np.zeros((1, 2, 8, 16), np.float32)
logits[:, 0, :, :8] = logits[:, 1, :, 8:] = 1
[scene] = ops.FusedHead(spec, spec.output_tensors)({"mask": logits}, [placement], "frame")
assert scene.masks["mask"].labels.mean() == 0.5
assert ops.compiled() is None
assert "pip install" in ops.why_not_compiled()
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr.count("the compiled kernels are missing") == 1


def test_the_compiled_module_names_its_instruction_set():
    assert ops.compiled() in ("x86-64-v4", "x86-64-v3", "baseline")
    assert ops.why_not_compiled() is None


@pytest.mark.parametrize("multi_label", [False, True])
def test_a_picture_may_have_more_classes_than_a_pixel(multi_label: bool):
    """ImageNet's networks tell 1000."""
    wide = ClassificationTask(
        name="wide", classes=tuple(f"c{i}" for i in range(1000)), multi_label=multi_label
    )
    narrow = ClassificationTask(name="narrow", classes=("day", "night"))
    spec = ModelSpec(
        name="a", input=InputSpec(width=32, height=32), backbone="none", tasks=(wide, narrow)
    )
    tensors = [msgspec.structs.replace(t, shape=(2, *t.shape[1:])) for t in spec.output_tensors]
    rng = np.random.default_rng(0)
    raw = {t.name: rng.normal(size=t.shape).astype(np.float32) for t in tensors}
    placements = [Placement.fit((32, 32), spec.input)] * 2
    scenes = ops.FusedHead(spec, tensors)(raw, placements, "frame")
    for i, scene in enumerate(scenes):
        for task, tensor in zip((wide, narrow), tensors, strict=True):
            expected = reference.classify(task, tensor, raw[task.name][i : i + 1])
            found = scene.classifications[task.name]
            np.testing.assert_array_equal(found.scores, expected.scores)
            assert found.best == expected.best


@pytest.mark.parametrize(("size", "grid"), [((227, 113), (61, 9)), ((65, 300), (65, 300))])
@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_inputs_of_any_size_with_masks_on_any_grid(
    size: tuple[int, int], grid: tuple[int, int], dtype: Any
):
    """Networks from elsewhere have both; vectors end in the middle of a row."""
    task = SegmentationTask(name="a", classes=tuple("abcdefg"), grid=grid)
    spec = ModelSpec(
        name="a",
        input=InputSpec(width=size[0], height=size[1]),
        backbone="imported",
        tasks=(task,),
    )
    placement = Placement.fit((181, 122), spec.input)
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 256, (122, 181, 3), np.uint8)
    tensor = msgspec.structs.replace(spec.input_tensor, dtype=dtype, scale=0.02, zero_point=118)
    out = np.zeros(tensor.shape, dtype)
    ops.Preprocessor(spec.input, tensor)([frame], [placement], out)
    expected = reference.preprocess(frame, placement, spec.input, tensor)
    np.testing.assert_array_equal(out, expected)

    [logits] = (msgspec.structs.replace(t, dtype=dtype) for t in spec.output_tensors)
    raw = {"a": (rng.normal(size=logits.shape) * 30 + 100).astype(dtype)}
    [scene] = ops.FusedHead(spec, [logits])(raw, [placement], "frame")
    twin = reference.fused_head(spec, [logits], raw, placement, "frame")
    np.testing.assert_array_equal(scene.masks["a"].labels, twin.masks["a"].labels)
