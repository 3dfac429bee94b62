"""The loss of every task, from raw outputs and a `Batch`.

With several processes each sees a part of a batch: what a loss is divided by is averaged over
them, so that the mean of their gradients is the gradient of the whole batch.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edge_mtl.spec import ModelSpec
from edge_mtl.train.batch import Batch
from edge_mtl.train.config import LossConfig
from edge_mtl.train.losses.classification import classification_loss
from edge_mtl.train.losses.detection import answers_of, detection_loss
from edge_mtl.train.losses.pose import pose_loss
from edge_mtl.train.losses.segmentation import class_weights, segmentation_loss


class Losses:
    """The losses of a spec's tasks.

    shares: by segmentation task, the share of every class among labelled pixels.
    config: what a segmentation's loss is made of.
    """

    def __init__(
        self,
        spec: ModelSpec,
        shares: Mapping[str, NDArray[np.float64]],
        device: torch.device,
        config: LossConfig,
    ) -> None:
        self._spec = spec
        self._config = config
        self._weights = {
            name: class_weights(share, config.class_balance).to(device)
            for name, share in shares.items()
        }

    def __call__(
        self,
        raw: Mapping[str, Tensor],
        batch: Batch,
        auxiliary: Mapping[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """By task, a scalar; a constant zero where no sample of the batch is labelled.

        raw: the network's outputs, (N, C, h, w) by tensor name.
        auxiliary: by segmentation task, the logits of its auxiliary head where there are any.
        """
        losses = {}
        for segmentation in self._spec.segmentations:
            losses[segmentation.name] = segmentation_loss(
                raw[segmentation.name],
                batch.masks[segmentation.name],
                self._weights[segmentation.name],
                self._config,
                None if auxiliary is None else auxiliary[segmentation.name],
            )
        for detection in self._spec.detections:
            answers = answers_of(detection, raw, batch)
            losses[detection.name] = detection_loss(answers, batch)
            for pose in self._spec.poses:
                if pose.detection == detection.name:
                    losses[pose.name] = pose_loss(pose, answers, raw, batch)
        for group in self._spec.classifications:
            losses[group.name] = classification_loss(
                group, raw[group.name], batch.attributes[group.name]
            )
        return {task.name: losses[task.name] for task in self._spec.tasks}
