"""`DistillationConfig`: which teacher, and how much it counts, as a recipe says it."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from edge_mtl.tasks import Fraction


class DistillationConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a student learns from a teacher beside its labels.

    teacher: a .safetensors checkpoint, or the name of a network that ships. Its tasks and classes
        count where the student has some of the same names.
    weight: of the loss against the teacher, beside 1 for the loss against labels.
    temperature: what logits of masks and attributes are divided by: above 1 the student also hears
        how alike the classes are that the teacher did not choose.
    min_confidence: the least probability of the teacher's choice; pixels and pictures below it give
        no loss. Boxes need none: their scores are soft targets, and doubtful ones count little.
    unlabelled_only: the teacher speaks only of samples that nobody labelled for the task.
    """

    teacher: str
    weight: Annotated[float, Meta(gt=0)] = 1.0
    temperature: Annotated[float, Meta(gt=0)] = 2.0
    min_confidence: Fraction = 0.0
    unlabelled_only: bool = False
