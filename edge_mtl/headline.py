"""The one figure that a task is judged by, wherever accuracies are told in a line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_HEADLINES = ("miou", "pck", "map50", "accuracy", "map")
"""The names of the figures that a task is judged by: of a task's figures, the first one here."""


def headline(figures: Mapping[str, Any]) -> tuple[str, float]:
    """The name and the value of the one figure to judge a task by, of those in its JSON."""
    return next((name, figures[name]) for name in _HEADLINES if name in figures)


def headlines(accuracy: Mapping[str, Any]) -> dict[str, tuple[str, float]]:
    """By task, the name and the value of its headline, of the JSON of an `Accuracy`.

    What is no figure of a task is left out: a manifest may be anybody's.
    """
    tasks = {task: each for task, each in accuracy.items() if isinstance(each, dict)}
    return {
        task: headline(figures)
        for task, figures in tasks.items()
        if any(isinstance(figures.get(name), float | int) for name in _HEADLINES)
    }


def told(accuracy: Mapping[str, Any]) -> str:
    """The headlines of the JSON of an `Accuracy` in a line; empty where there are none."""
    found = headlines(accuracy).items()
    return ", ".join(f"{task} {name} {value:.3f}" for task, (name, value) in found)
