"""Number of classes, of masks and of boxes: the last convolution makes them, the head compares
them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

from curves.curve import curves_of, told
from curves.fit import fit, reaches
from curves.interleaved import Effort, Size, measure
from curves.network import Network, stages, street, with_classes
from edge_mtl.benchmark.result import Curve
from edge_mtl.tasks import DetectionTask, SegmentationTask

MOST = 254
"""What a task may have."""
OF_MASKS, OF_BOXES = (4, 11, 22, 44, 88, 176), (4, 8, 20, 40, 80, 160)


def mask_classes(network: Network, effort: Effort) -> list[Curve]:
    task = network.bundle.spec.segmentations[0]
    return _classes(network, effort, task, effort.some(OF_MASKS), "classes of the masks")


def box_classes(network: Network, effort: Effort) -> list[Curve]:
    task = network.bundle.spec.detections[0]
    return _classes(network, effort, task, effort.some(OF_BOXES), "classes of the boxes")


def _classes(
    network: Network,
    effort: Effort,
    task: SegmentationTask | DetectionTask,
    counts: Sequence[int],
    quantity: str,
) -> list[Curve]:
    with ExitStack() as stack:
        runs = []
        for count in counts:
            pipeline = network.open(with_classes(network.bundle, task, count))
            runs.append(Size(count, stages(stack.enter_context(pipeline), street())))
        ms = measure(runs, effort)
    fits = {part: fit(counts, ms[part]) for part in ("engine", "head")}
    ms["both"] = ms["engine"] + ms["head"]
    both = fit(counts, ms["both"])
    shipped_ms = both.at(len(task.classes))
    limit = reaches([both], 2 * shipped_ms)
    if limit is None or limit.value > MOST:
        wall = (
            f"Up to the {MOST} {quantity} that a task may have, engine and head take less than "
            f"twice the {shipped_ms:.1f} ms of {len(task.classes)}: {both.at(MOST):.1f} ms."
        )
    else:
        wall = (
            f"Engine and head take twice the {shipped_ms:.1f} ms of {len(task.classes)} {quantity} "
            f"from {told(limit, both, '{:.0f}'.format)} on."
        )
    return curves_of(quantity, fits, len(task.classes), wall)
