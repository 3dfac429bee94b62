"""Whether the values that a network gives for real frames are what its spec says they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_mtl.export.foreign.import_error import NetworkImportError
from edge_mtl.export.foreign.import_spec import Source
from edge_mtl.export.foreign.wanted import Wanted
from edge_mtl.tasks import ClassificationTask, DecodedDetectionTask, SegmentationTask

_NEARLY = 1e-3
_FEW = 64
"""So many candidates at least, before what all of them have in common is taken for a rule."""


def check_values(
    source: str,
    wanted: Sequence[Wanted],
    sources: Sequence[Source],
    outputs: Sequence[Mapping[str, NDArray[Any]]],
) -> list[str]:
    """Compare ranges with what each raw tensor means.

    sources: where each of the wanted comes from.
    outputs: by picture, the raw tensors of the adapted graph.

    Returns:
        Doubts, a line each: what may be right but looks as if it were not.

    Raises:
        NetworkImportError: the values cannot be what the spec says; the line that fits is proposed.
    """
    doubts = []
    for each, origin in zip(wanted, sources, strict=True):
        name = each.tensor.name
        values = np.concatenate([of_picture[name] for of_picture in outputs])
        if not np.isfinite(values).all():
            raise NetworkImportError(
                f"{source}: {name} is infinite or no number in places; mend mean and std in "
                "[input], or activation in [import.outputs]"
            )
        if isinstance(each.task, DecodedDetectionTask):
            doubts += _decoded(source, each.task, origin, values, each.size)
        elif each.undo:
            doubts += _logits(source, each, origin, values)
        elif "_boxes_" in name and "bins" not in name and values.shape[1] == 4:
            doubts += _distances(each, values)
        if len(outputs) > 1 and float(np.ptp(values, axis=0).max()) == 0.0:
            doubts.append(
                f"{name} is the same for all of {len(outputs)} frames: does the network read its "
                "input?"
            )
    return doubts


def _logits(source: str, wanted: Wanted, origin: Source, values: NDArray[Any]) -> list[str]:
    name, task = wanted.tensor.name, wanted.task
    low, high = float(values.min()), float(values.max())
    if low < -_NEARLY or high > 1 + _NEARLY or high - low < _NEARLY:
        return []
    sums = values.sum(1)
    softmax = values.shape[1] > 1 and bool(np.allclose(sums, 1.0, atol=1e-2))
    activation = "softmax" if softmax and "softmax" in wanted.undo else "sigmoid"
    if isinstance(task, ClassificationTask) and softmax != ("softmax" in wanted.undo):
        right = "false" if softmax else "true"
        kind = "sum to 1" if softmax else "lie between 0 and 1 and do not sum to 1"
        raise NetworkImportError(
            f"{source}: {name} holds scores that {kind}, expected logits; write multi_label = "
            f"{right} in the task"
        )
    if isinstance(task, SegmentationTask) and not task.binary:
        return []  # the highest score is where the highest logit is
    raise NetworkImportError(
        f"{source}: {name} lies between {low:.3g} and {high:.3g}, expected logits, found scores; "
        f'write {name} = {{ tensor = "{origin.tensors[0]}", activation = "{activation}" }} '
        "in [import.outputs]"
    )


def _decoded(
    source: str,
    task: DecodedDetectionTask,
    origin: Source,
    values: NDArray[Any],
    size: tuple[int, int],
) -> list[str]:
    """values: (F, C, N, 1) or (F, N, C, 1)."""
    rows = values[..., 0]
    if task.layout == "channels_first":
        rows = rows.transpose(0, 2, 1)
    boxes, scores = rows[..., :4].reshape(-1, 4), rows[..., 4:]
    low, high = float(scores.min()), float(scores.max())
    if low < -_NEARLY or high > 1 + _NEARLY:
        raise NetworkImportError(
            f"{source}: the scores of {task.name} lie between {low:.3g} and {high:.3g}, expected "
            f"0 to 1; for logits write {_line(task, origin, scores='logits')}, for another order "
            "of the numbers export the network with boxes first"
        )
    doubts = []
    if low == high:
        doubts.append(f"the scores of {task.name} are all {low:.3g}: is the network trained?")
    extent = float(np.abs(boxes).max())
    if 0 < extent <= 2.0 and max(size) > 16 and origin.encoding in ("decoded", "end_to_end"):
        raise NetworkImportError(
            f"{source}: the boxes of {task.name} lie between {boxes.min():.3g} and "
            f"{boxes.max():.3g}, expected pixels of {size[0]}x{size[1]}; write "
            f"{_line(task, origin, boxes='parts')}"
        )
    if len(boxes) >= _FEW:
        ordered = float(((boxes[:, 2] >= boxes[:, 0]) & (boxes[:, 3] >= boxes[:, 1])).mean())
        outside = float((boxes[:, :2] < boxes[:, 2:] / 2 - 0.25 * np.array(size)).any(1).mean())
        if task.box == "corners" and ordered < 0.5:
            raise NetworkImportError(
                f"{source}: of {task.name}'s boxes {1 - ordered:.0%} have x2 below x1 or y2 below "
                'y1, so these are no corners; write box = "centre" in the task'
            )
        if task.box == "centre" and ordered == 1.0 and outside > 0.1:
            raise NetworkImportError(
                f"{source}: in all of {task.name}'s boxes the third number is above the first and "
                "the fourth above the second, and as widths and heights they reach far outside "
                'the picture; write box = "corners" in the task'
            )
    return doubts


def _distances(wanted: Wanted, values: NDArray[Any]) -> list[str]:
    """Distances in strides are small; in pixels they are not."""
    stride = int(wanted.tensor.name.rsplit("_", 1)[1])
    cells = max(wanted.tensor.shape[2:])
    if float(np.median(values)) <= 2 * cells:
        return []
    return [
        f"{wanted.tensor.name} has a median of {float(np.median(values)):.0f}, in units of "
        f"{stride} pixels far more than the picture: are these pixels?"
    ]


def _line(task: DecodedDetectionTask, origin: Source, **more: str) -> str:
    tensors = [f'"{name}"' for name in origin.tensors]
    tensor = tensors[0] if len(tensors) == 1 else f"[{', '.join(tensors)}]"
    fields = [f"tensor = {tensor}"]
    if origin.channels:
        fields.append(f"channels = {list(origin.channels)}")
    for name in ("encoding", "scores", "boxes", "background"):
        value = more.get(name, getattr(origin, name))
        if value != getattr(Source(tensor=""), name):
            fields.append(f'{name} = "{value}"')
    return f"{task.name} = {{ {', '.join(fields)} }} in [import.outputs]"
