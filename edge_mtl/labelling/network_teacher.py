"""`NetworkTeacher`: a network of our own, a checkpoint or a bundle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge_mtl.bundle import Bundle
from edge_mtl.data.sample import Vocabulary
from edge_mtl.errors import UsageError
from edge_mtl.labelling.probabilities import frame_probabilities, winners
from edge_mtl.labelling.teacher import Findings, FoundAttribute, FoundBoxes, FoundMask
from edge_mtl.labelling.views import merged, mirrored, together
from edge_mtl.placement import Placement
from edge_mtl.runtime.engines import open_engine
from edge_mtl.runtime.pipeline import Pipeline
from edge_mtl.scene import Scene
from edge_mtl.signature import unsigned
from edge_mtl.spec import ModelSpec
from edge_mtl.tasks import KEYPOINTS, BoxTask

_LEAST_SCORE = 0.05  # what is surely no box, not even a doubtful one
_SAME_OBJECT_IOU = 0.5
_INPUT_MULTIPLE = 32


class NetworkTeacher:
    """Looks at each picture at every scale, and at its mirror image where `mirror`, and takes the
    mean: of the probabilities of masks by pixel, of the scores of boxes and of attributes.

    pipelines: a network of one spec at one or several sizes of its input.

    Raises:
        UsageError: the network takes planes.
    """

    def __init__(self, pipelines: Sequence[Pipeline], *, mirror: bool = True) -> None:
        spec = pipelines[0].spec
        if spec.planes:
            raise UsageError(
                f"a teacher looks at pictures alone, found {spec.name!r}, which takes the plane "
                f"{spec.planes[0].name!r} too; distil it in training, or label with another"
            )
        self.name = f"{spec.name} ({pipelines[0].engine.name})"
        boxes = dict.fromkeys(name for task in spec.box_tasks for name in task.classes)
        self.vocabulary = Vocabulary(
            masks={task.name: task.classes for task in spec.segmentations},
            boxes=tuple(boxes),
            attributes={task.name: task.classes for task in spec.classifications},
        )
        self._spec = spec
        self._pipelines = pipelines
        self._mirror = mirror

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        scales: Sequence[float] = (1.0,),
        mirror: bool = True,
        engine: str = "auto",
        threads: int | None = None,
        trusted: Path | None = None,
    ) -> NetworkTeacher:
        """Open a `.safetensors` checkpoint or a bundle.

        scales: factors of the network's input, to look at pictures larger or smaller; of a
            checkpoint only, the input of a bundle has one size.
        engine: of a bundle, as of `open_engine`.
        threads: to compute with, of a checkpoint all of torch's in this process; None for all.
        trusted: a public key; only a bundle that its owner signed is opened.

        Raises:
            UsageError: a bundle is asked to run at another scale than 1, a scale is too small, the
                network takes planes, or a checkpoint is to be trusted, which nobody signs.
            EdgeMtlError: the checkpoint or bundle is missing or damaged, or the engine refuses it.
        """
        if path.suffix == ".safetensors":
            if trusted is not None:
                raise unsigned(path)
            import torch

            from edge_mtl.network.checkpoint import load_checkpoint
            from edge_mtl.network.engine import TorchEngine

            if threads is not None:
                torch.set_num_threads(threads)
            network = load_checkpoint(path)
            specs = [_searching(_scaled(network.spec, scale)) for scale in scales]
            return cls(
                [Pipeline(spec, TorchEngine(network, spec)) for spec in specs], mirror=mirror
            )
        if tuple(scales) != (1.0,):
            raise UsageError(
                f"{path}: a bundle runs at its own size, found scales "
                f"{', '.join(f'{scale:g}' for scale in scales)}; give the .safetensors checkpoint"
            )
        bundle = Bundle.open(path, trusted)
        opened = open_engine(engine, bundle, threads)
        pipeline = Pipeline(_searching(bundle.spec), opened, raw_on_host=True)
        return cls([pipeline], mirror=mirror)

    def __call__(self, image: NDArray[np.uint8], /) -> Findings:
        """image: (H, W, 3) uint8 BGR."""
        width = image.shape[1]
        sums: dict[str, NDArray[np.float32]] = {}
        boxes: list[FoundBoxes] = []
        scores: dict[str, list[NDArray[np.float32]]] = {}
        views = [(pipeline, flip) for pipeline in self._pipelines for flip in self._flips]
        for pipeline, flip in views:
            scene = pipeline(np.ascontiguousarray(image[:, ::-1]) if flip else image)
            for name, seen in _probabilities(pipeline, scene.size, flip).items():
                if name in sums:
                    sums[name] += seen
                else:
                    sums[name] = seen
            if self.vocabulary.boxes:
                found = self._boxes(scene)
                boxes.append(mirrored(found, width) if flip else found)
            for name, group in scene.classifications.items():
                scores.setdefault(name, []).append(group.scores)
        masks = {}
        for name, total in sums.items():
            labels, best = winners(total)
            masks[name] = FoundMask(labels, best / np.float32(len(views)))
        several = {task.name: task.multi_label for task in self._spec.classifications}
        return Findings(
            masks,
            merged(boxes, _SAME_OBJECT_IOU) if boxes else None,
            {
                name: FoundAttribute(np.mean(each, 0, np.float32), several[name])
                for name, each in scores.items()
            },
        )

    def close(self) -> None:
        """Release the network."""
        for pipeline in self._pipelines:
            pipeline.close()

    @property
    def _flips(self) -> tuple[bool, ...]:
        return (False, True) if self._mirror else (False,)

    def _boxes(self, scene: Scene) -> FoundBoxes:
        """Those of all detection tasks, with the keypoints that some of them have."""
        ids = {name: number for number, name in enumerate(self.vocabulary.boxes)}
        parts = []
        for task in self._spec.box_tasks:
            each = scene.detections[task.name]
            id_table = np.array([ids[name] for name in task.classes], np.int64)
            points = np.zeros((len(each), len(KEYPOINTS), 3), np.float32)
            for pose in self._spec.poses:
                if pose.detection == task.name:
                    poses = scene.poses[pose.name]
                    for column, name in enumerate(pose.keypoints):
                        if name in KEYPOINTS:
                            place = KEYPOINTS.index(name)
                            points[poses.rows, place, :2] = poses.points[:, column]
                            points[poses.rows, place, 2] = poses.scores[:, column]
            parts.append(FoundBoxes(each.boxes, id_table[each.class_ids], each.scores, points))
        found = together(parts)
        return found if self._spec.poses else replace(found, points=None)


def _probabilities(
    pipeline: Pipeline, size: tuple[int, int], flip: bool
) -> dict[str, NDArray[np.float32]]:
    """By segmentation task, (C, H, W) of the frame of `size` that the pipeline has just seen."""
    placement = Placement.fit(size, pipeline.spec.input)
    tensors = {tensor.name: tensor for tensor in pipeline.engine.output_tensors}
    return {
        task.name: frame_probabilities(
            task,
            tensors[task.name],
            pipeline.engine.outputs[task.name],
            placement,
            pipeline.spec.input.size,
            mirrored=flip,
        )
        for task in pipeline.spec.segmentations
    }


def _scaled(spec: ModelSpec, scale: float) -> ModelSpec:
    """The same network with another size of its input."""
    size = [round(side * scale / _INPUT_MULTIPLE) * _INPUT_MULTIPLE for side in spec.input.size]
    if min(size) < _INPUT_MULTIPLE:
        raise UsageError(
            f"expected scales that leave the network an input of at least {_INPUT_MULTIPLE} pixels "
            f"a side, found {scale:g} of {spec.input.width}x{spec.input.height}; raise it"
        )
    network_input = msgspec.structs.replace(spec.input, width=size[0], height=size[1])
    return msgspec.structs.replace(spec, input=network_input)


def _searching(spec: ModelSpec) -> ModelSpec:
    """The same network, giving doubtful boxes too: which are sure is decided by the labeller."""
    tasks = tuple(
        msgspec.structs.replace(task, score_threshold=_LEAST_SCORE)
        if isinstance(task, BoxTask)
        else task
        for task in spec.tasks
    )
    return msgspec.structs.replace(spec, tasks=tasks)
