"""Hand-made batches of 32x16 pictures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from edge_mtl.train.batch import Batch, BoxTargets


@pytest.fixture
def targets() -> Callable[..., BoxTargets]:
    """Boxes as (x1, y1, x2, y2, class), and what else is known about them."""

    def make(*boxes: tuple[float, ...], **known: Any) -> BoxTargets:
        table = torch.tensor(boxes).reshape(-1, 5)
        fields = {"keypoints": {}, "ignored": torch.zeros(0, 4), "searched": None, **known}
        return BoxTargets(corners=table[:, :4], class_ids=table[:, 4].long(), **fields)

    return make


@pytest.fixture
def batch() -> Callable[..., Batch]:
    def make(n: int, **labels: Any) -> Batch:
        fields = {"masks": {}, "boxes": [None] * n, "attributes": {}, **labels}
        names = [f"sample {i}" for i in range(n)]
        return Batch(image=torch.zeros(n, 3, 16, 32), names=names, skipped=(), **fields)

    return make
