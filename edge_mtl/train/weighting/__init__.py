"""Task weighting: how the losses of several tasks become one gradient.

Whatever the method, the factor that a recipe gives a task (`loss_weights`) multiplies the weight
that the method finds for the task's loss without it: it says how much the task matters and is not
unlearned, for the methods balance the losses before it is applied.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from torch import nn

from edge_mtl.train.weighting.config import WeightingConfig
from edge_mtl.train.weighting.dwa import DynamicWeightAverage
from edge_mtl.train.weighting.fixed import Fixed
from edge_mtl.train.weighting.gradnorm import GradNorm
from edge_mtl.train.weighting.pcgrad import PCGrad
from edge_mtl.train.weighting.uncertainty import Uncertainty
from edge_mtl.train.weighting.weighting import Weighting

__all__ = ["METHODS", "Setup", "Weighting", "WeightingConfig", "make_weighting"]


@dataclass(frozen=True, slots=True)
class Setup:
    """What the methods choose from; see `make_weighting`."""

    config: WeightingConfig
    factors: dict[str, float]
    parameters: list[nn.Parameter]
    last_shared: list[nn.Parameter]
    seed: int


METHODS: Mapping[str, Callable[[Setup], Weighting]] = {
    "fixed": lambda setup: Fixed(setup.factors),
    "uncertainty": lambda setup: Uncertainty(setup.factors),
    "gradnorm": lambda setup: GradNorm(
        setup.factors, setup.last_shared, setup.config.gradnorm_alpha, setup.config.gradnorm_rate
    ),
    "dwa": lambda setup: DynamicWeightAverage(setup.factors, setup.config.dwa_temperature),
    "pcgrad": lambda setup: PCGrad(setup.factors, setup.parameters, setup.seed),
}


def make_weighting(
    config: WeightingConfig,
    tasks: Sequence[str],
    factors: Mapping[str, float],
    *,
    parameters: Sequence[nn.Parameter],
    last_shared: Sequence[nn.Parameter],
    seed: int,
) -> Weighting:
    """The weighting of a run.

    tasks: the names of all tasks, in the order of the spec.
    factors: how much each task matters, 1 where not named; 0 turns a task off.
    parameters: of the network; frozen ones may be among them. For PCGrad.
    last_shared: the last ones that all tasks reach, such as those of the neck. For GradNorm.
    seed: the same in every process of a run. For PCGrad.
    """
    setup = Setup(
        config,
        {name: factors.get(name, 1.0) for name in tasks},
        [each for each in parameters if each.requires_grad],
        [each for each in last_shared if each.requires_grad],
        seed,
    )
    return METHODS[config.method](setup)
