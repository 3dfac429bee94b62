"""Random draws that augmentations share."""

import math

import numpy as np


def happens(probability: float, rng: np.random.Generator) -> bool:
    """Whether something of this probability happens; 0 takes no random number."""
    return probability > 0.0 and rng.random() < probability


def log_uniform(limits: tuple[float, float], rng: np.random.Generator) -> float:
    """A factor between two factors above 0, its logarithm uniform."""
    return math.exp(rng.uniform(math.log(limits[0]), math.log(limits[1])))
