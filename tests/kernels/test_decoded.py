"""Boxes that a network has decoded itself: what they mean, and that the kernel equals its twin."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge_mtl import ops, reference
from edge_mtl.errors import UsageError
from edge_mtl.placement import Placement
from edge_mtl.spec import InputSpec, ModelSpec
from edge_mtl.tasks import DecodedDetectionTask
from edge_mtl.tensor_spec import TensorSpec

INPUT = InputSpec(width=96, height=64)
# Letterboxed to 96x48 at y = 8: a pixel of the input covers 2 of the frame.
PLACEMENT = Placement.fit((192, 96), INPUT)


def find(
    task: DecodedDetectionTask, values: NDArray[Any], scale: float = 1.0, zero_point: int = 0
) -> list[tuple[str, Any, Any]]:
    """Class, score and corners of what the compiled kernel and the twin find alike."""
    spec = ModelSpec(name="foreign", input=INPUT, backbone="edgenet-n", tasks=(task,))
    [expected] = spec.output_tensors
    tensor = TensorSpec(task.name, expected.shape, str(values.dtype), scale, zero_point)  # type: ignore[arg-type]
    raw = {task.name: np.ascontiguousarray(values.reshape(expected.shape))}
    [scene] = ops.FusedHead(spec, [tensor])(raw, [PLACEMENT], "network")
    found = scene.detections[task.name]
    twin = reference.find_decoded(task, tensor, raw[task.name], PLACEMENT)
    np.testing.assert_array_equal(found.boxes, twin.boxes)
    np.testing.assert_array_equal(found.scores, twin.scores)
    np.testing.assert_array_equal(found.class_ids, twin.class_ids)
    return [
        (task.classes[class_id], float(score), box.tolist())
        for class_id, score, box in zip(found.class_ids, found.scores, found.boxes, strict=True)
    ]


def test_the_columns_of_yolov8() -> None:
    """(4 + classes, candidates): centre and size, scores."""
    task = DecodedDetectionTask(classes=("car", "person"), candidates=4)
    columns = np.array(
        [
            [20, 18, 10, 8, 0.9, 0.1],  # a car of 10x8 around (20, 18)
            [21, 18, 10, 8, 0.8, 0.1],  # the same car again
            [21, 18, 10, 8, 0.1, 0.7],  # a person in its place
            [60, 30, 9, 9, 0.2, 0.3],  # not above the threshold
        ],
        np.float32,
    ).T
    assert find(task, columns) == [
        ("car", pytest.approx(0.9), [30, 12, 50, 28]),
        ("person", pytest.approx(0.7), [32, 12, 52, 28]),
    ]


def test_the_rows_of_yolov5() -> None:
    """(candidates, 5 + classes): an objectness is a factor of every score, and must pass alone."""
    task = DecodedDetectionTask(
        classes=("car", "person"), candidates=3, layout="channels_last", objectness=True
    )
    rows = np.array(
        [
            [20, 18, 10, 8, 0.5, 0.9, 0.2],
            [60, 30, 10, 8, 0.9, 0.2, 0.5],
            [80, 30, 10, 8, 0.3, 2.0, 0.5],  # no object, whatever it may be
        ],
        np.float32,
    )
    assert find(task, rows) == [
        ("car", pytest.approx(0.45), [30, 12, 50, 28]),
        ("person", pytest.approx(0.45), [110, 36, 130, 52]),
    ]


def test_corners_in_8_bits() -> None:
    task = DecodedDetectionTask(
        classes=("car",), candidates=1, layout="channels_last", box="corners"
    )
    row = np.array([[10, 20, 30, 40, 1]], np.uint8)
    [(_, score, corners)] = find(task, row, scale=0.5)
    assert (score, corners) == (0.5, [10, 4, 30, 24])


@settings(deadline=None, max_examples=150)
@given(
    seed=st.integers(0, 2**32 - 1),
    dtype=st.sampled_from(["float32", "float16", "uint8", "int8"]),
    layout=st.sampled_from(["channels_first", "channels_last"]),
    box=st.sampled_from(["centre", "corners"]),
    objectness=st.booleans(),
    classes=st.integers(1, 20),
    candidates=st.sampled_from([1, 17, 1500]),
    threshold=st.sampled_from([0.0, 0.3, 0.9, 1.0]),
    max_boxes=st.sampled_from([1, 9, 1200]),
)
def test_any_values_give_what_the_twin_gives(
    seed: int,
    dtype: str,
    layout: Literal["channels_first", "channels_last"],
    box: Literal["centre", "corners"],
    objectness: bool,
    classes: int,
    candidates: int,
    threshold: float,
    max_boxes: int,
) -> None:
    task = DecodedDetectionTask(
        classes=tuple(f"class {i}" for i in range(classes)),
        candidates=candidates,
        layout=layout,
        box=box,
        objectness=objectness,
        score_threshold=threshold,
        max_boxes=max_boxes,
    )
    rng = np.random.default_rng(seed)
    values = rng.uniform(0, 1.2, (candidates, 4 + objectness + classes))
    values[:, :4] = rng.uniform(0, 90, (candidates, 4))
    scale, zero_point = 0.4, 3
    if dtype in ("uint8", "int8"):
        values = (values / scale + zero_point).round().clip(0, np.iinfo(dtype).max)
    else:
        odd = [np.nan, np.inf, -np.inf, -0.0, 6e4]
        where = rng.random(values.shape) < 0.03
        values[where] = rng.choice(odd, where.sum())
        values[rng.random(values.shape) < 0.2] = 0.5
    values = values.astype(dtype)
    found = find(task, values if layout == "channels_last" else values.T, scale, zero_point)
    assert len(found) <= max_boxes


def test_no_network_of_ours_is_built_for_them() -> None:
    pytest.importorskip("torch")
    from edge_mtl.network.network import Network

    task = DecodedDetectionTask(classes=("car",), candidates=10)
    spec = ModelSpec(name="foreign", input=INPUT, backbone="edgenet-n", tasks=(task,))
    with pytest.raises(UsageError, match=r"'detection' is a decoded_detection.*use a detection"):
        Network(spec)
