"""`WeightingConfig`: the choice of a method, as a recipe says it."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class WeightingConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the losses of the tasks become one gradient.

    method: see the module of that name. All but fixed also take the recipe's `loss_weights`, as
        factors of what they find.
    dwa_temperature: larger is more even.
    gradnorm_alpha: how strongly the tasks are pulled to one training rate; 0 makes the norms of
        their gradients equal, 1.5 is the paper's for tasks of different kinds.
    gradnorm_rate: the learning rate of the logarithms of GradNorm's weights.
    """

    method: Literal["fixed", "uncertainty", "gradnorm", "dwa", "pcgrad"] = "fixed"
    dwa_temperature: Annotated[float, Meta(gt=0)] = 2.0
    gradnorm_alpha: Annotated[float, Meta(ge=0)] = 1.5
    gradnorm_rate: Annotated[float, Meta(gt=0)] = 0.025

    def __post_init__(self) -> None:
        for field in msgspec.structs.fields(self):
            owner, separator, _ = field.name.partition("_")
            changed = getattr(self, field.name) != field.default
            if separator and changed and owner != self.method:
                raise ValueError(
                    f"{field.name} is an option of {owner}, found method = {self.method!r}; "
                    f"leave it out, or set method = {owner!r}"
                )
