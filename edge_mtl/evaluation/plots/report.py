"""All plots of an evaluation, in a folder."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

from torch import nn

from edge_mtl.data.align import Alignment
from edge_mtl.data.datasets import Dataset
from edge_mtl.errors import EdgeMtlError
from edge_mtl.evaluation.accuracy import Evaluation
from edge_mtl.evaluation.attribution import attributions
from edge_mtl.evaluation.classification import ClassificationMeter, MultiLabelMeter
from edge_mtl.evaluation.detection import DetectionMeter
from edge_mtl.evaluation.plots.attribution import COLUMNS, plot_attributions
from edge_mtl.evaluation.plots.bars import plot_bars
from edge_mtl.evaluation.plots.confusion import plot_confusion
from edge_mtl.evaluation.plots.frames import Frame, plot_boxes, plot_masks, plot_poses
from edge_mtl.evaluation.plots.pck import plot_pck
from edge_mtl.evaluation.plots.precision_recall import plot_precision_recall
from edge_mtl.evaluation.plots.style import ACCENT, colours_of
from edge_mtl.evaluation.pose import PCK_SHARE, PoseMeter
from edge_mtl.evaluation.scores import mean
from edge_mtl.evaluation.segmentation import SegmentationMeter
from edge_mtl.placement import Placement
from edge_mtl.runtime.engines import Engine
from edge_mtl.runtime.pipeline import Pipeline
from edge_mtl.spec import ModelSpec
from edge_mtl.tasks import BoxTask, PoseTask, SegmentationTask

_log = logging.getLogger(__name__)

_NAME_LENGTH = 32
_ANSWERS = 2 * COLUMNS - 1  # with the picture, two rows


class Report:
    """Draws plots into a folder, as TASK_KIND.png; those of the same name are replaced.

    Args:
        folder: it is made where it is not there.
        spec, engine, dataset: what is measured.

    Raises:
        EdgeMtlError: the folder cannot be made or, by the methods, a plot cannot be written.
    """

    def __init__(self, folder: Path, spec: ModelSpec, engine: Engine, dataset: Dataset) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise EdgeMtlError(
                f"{folder}: expected a folder for the plots, found: {error.strerror}; choose "
                "another one"
            ) from None
        self._folder = folder
        self._spec = spec
        self._engine = engine
        self._dataset = dataset
        self._pipeline = Pipeline(spec, engine, raw_on_host=True)
        self._align = Alignment(dataset.vocabulary, spec)
        self._subject = f"{spec.name} ({engine.name}) on {dataset.name}, {len(dataset)} frames"

    def draw(
        self,
        evaluation: Evaluation,
        network: nn.Module | None,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        """Draw all that there is to draw.

        Args:
            evaluation: of the same spec and data set, with `frame_headlines`.
            network: what the engine runs, in evaluation mode. None where there is only an engine:
                attribution needs gradients, so its plots are left out.
            progress: called with the kinds of plots that are done and those in all.
        """
        kinds: list[Callable[[], None]] = [
            lambda: self._plot_figures(evaluation),
            lambda: self._plot_frames(evaluation),
        ]
        if network is not None:
            kinds.append(lambda: self._plot_attributions(evaluation, network))
        else:
            _log.info(
                "plots: no attribution maps, which need gradients and so a checkpoint "
                "(.safetensors), not a bundle"
            )
        for done, plot in enumerate(kinds, 1):
            plot()
            if progress is not None:
                progress(done, len(kinds))

    def _plot_figures(self, evaluation: Evaluation) -> None:
        """Confusion, bars and curves of every task that is labelled, from its meter."""
        for name, meter in evaluation.meters.labelled():
            if isinstance(meter, SegmentationMeter):
                self._plot_segmentation(name, meter)
            elif isinstance(meter, DetectionMeter):
                heading = f"{name}: precision and recall by class"
                path = self._path(name, "precision_recall")
                plot_precision_recall(path, meter, heading, self._subject)
            elif isinstance(meter, PoseMeter):
                self._plot_pose(name, meter)
            elif isinstance(meter, ClassificationMeter):
                heading = f"{name}: what pictures of each class are found as, %"
                path = self._path(name, "confusion")
                plot_confusion(path, meter.confusion, meter.task.classes, heading, self._subject)
            else:
                self._plot_multi_label(name, meter)

    def _plot_frames(self, evaluation: Evaluation) -> None:
        """The worst, the median and the best frame of every task that shows on pictures."""
        for task in self._spec.tasks:
            frames = list(self._examples(evaluation, task.name))
            heading = f"{task.name}: the worst, the median and the best frame"
            if not frames:
                continue
            path = self._path(task.name, "frames")
            if isinstance(task, SegmentationTask):
                plot_masks(path, task, frames, heading, self._subject)
            elif isinstance(task, BoxTask):
                plot_boxes(path, task, frames, heading, self._subject)
            elif isinstance(task, PoseTask):
                plot_poses(path, task, frames, heading, self._subject)

    def _plot_attributions(self, evaluation: Evaluation, network: nn.Module) -> None:
        """What the answers of every task hang on, on the frame that is median over all tasks."""
        means = [mean(headlines.values()) for headlines in evaluation.frame_headlines]
        index = sorted(range(len(means)), key=means.__getitem__)[len(means) // 2]
        frame = self._frame(index, "")
        height, width = frame.sample.image.shape[:2]
        placement = Placement.fit((width, height), self._spec.input)
        # The pipeline has left the picture in the engine's input.
        picture, planes = self._engine.image, self._engine.planes
        found = attributions(network, self._spec, picture, placement, _ANSWERS, planes)
        for name, answers in found.items():
            heading = f"{name}: the pixels that each answer hangs on (gradient of the input)"
            subject = f"{self._subject}; here {_short(frame.sample.name)}"
            path = self._path(name, "attribution")
            plot_attributions(path, frame.sample.image, answers, heading, subject)

    def _plot_segmentation(self, name: str, meter: SegmentationMeter) -> None:
        classes = meter.task.classes
        heading = f"{name}: what pixels of each class are found as, %"
        path = self._path(name, "confusion")
        plot_confusion(path, meter.confusion, classes, heading, self._subject)
        accuracy = meter.result()
        colours = dict(zip(classes, colours_of(classes), strict=True))
        plot_bars(
            self._path(name, "iou"),
            accuracy.iou,
            [colours[each] for each in accuracy.iou],
            ("mIoU", accuracy.miou),
            f"{name}: intersection over union by class",
            self._subject,
        )

    def _plot_pose(self, name: str, meter: PoseMeter) -> None:
        heading = f"{name}: keypoints found, by how near they must be"
        plot_pck(self._path(name, "pck"), meter, heading, self._subject)
        accuracy = meter.result()
        plot_bars(
            self._path(name, "keypoints"),
            accuracy.per_keypoint,
            ACCENT,
            ("PCK", accuracy.pck),
            f"{name}: keypoints found within {PCK_SHARE:g} of the longer side of the person's box",
            self._subject,
        )

    def _plot_multi_label(self, name: str, meter: MultiLabelMeter) -> None:
        accuracy = meter.result()
        plot_bars(
            self._path(name, "f1"),
            {each: found.f1 for each, found in accuracy.per_class.items()},
            ACCENT,
            ("macro F1", accuracy.f1),
            f"{name}: F1 by class",
            self._subject,
        )

    def _examples(self, evaluation: Evaluation, task: str) -> Iterator[Frame]:
        """The frames where the task does worst, as usual, and best; fewer where there are fewer."""
        scored = sorted(
            (headlines[task], index)
            for index, headlines in enumerate(evaluation.frame_headlines)
            if task in headlines
        )
        if not scored:
            return
        ranks = {"worst": 0, "median": len(scored) // 2, "best": len(scored) - 1}
        shown: set[int] = set()
        for rank, place in ranks.items():
            headline, index = scored[place]
            if index not in shown:
                shown.add(index)
                yield self._frame(index, f"{rank}, {100 * headline:.1f} %:")

    def _frame(self, index: int, caption: str) -> Frame:
        sample = self._align(self._dataset[index])
        scene = self._pipeline(sample.image, planes=sample.planes)
        return Frame(f"{caption} {_short(sample.name)}", sample, scene)

    def _path(self, task: str, kind: str) -> Path:
        return self._folder / f"{task}_{kind}.png"


def _short(name: str) -> str:
    """The end of a sample's name, which tells files of a folder apart."""
    return name if len(name) <= _NAME_LENGTH else f"...{name[-_NAME_LENGTH:]}"
