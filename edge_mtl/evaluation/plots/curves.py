"""The course of a training run, from the `metrics.jsonl` that it wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from edge_mtl.errors import EdgeMtlError
from edge_mtl.evaluation.plots.style import FADED, GRID, picture
from edge_mtl.headline import headlines

_COLOURS = ("#1f6fb2", "#e07b39", "#3a9d5d", "#8e5bb5", "#c94f6d", "#7a6652", "#2aa5b8", "#a3a33a")


def plot_training(metrics: Path, out: Path) -> None:
    """Draw losses, validation figures and learning rate by epoch into a PNG.

    metrics: a line of JSON an epoch: "epoch", "loss" (by task), "learning_rate", "seconds" and,
        where it was validated, "val" as `Accuracy.to_json` gives it.

    Raises:
        EdgeMtlError: the file cannot be read, holds no epoch or is not what `edge-mtl train`
            writes; or `out` cannot be written.
    """
    lines = _read(metrics)
    epochs = [line["epoch"] for line in lines]
    minutes = sum(line.get("seconds", 0.0) for line in lines) / 60
    subject = f"{metrics.parent.name}: {epochs[-1]} epochs, {minutes:.0f} minutes"
    with picture(out, (1100, 540), "Training", subject) as figure:
        loss, figures, rate = figure.subplots(1, 3, width_ratios=(3, 3, 2))
        tasks = list(dict.fromkeys(name for line in lines for name in line["loss"]))
        colours = {name: _COLOURS[i % len(_COLOURS)] for i, name in enumerate(tasks)}
        for name in tasks:
            known = [(line["epoch"], line["loss"][name]) for line in lines if name in line["loss"]]
            _draw(loss, known, name, FADED if name == "total" else colours[name])
        # A learned weighting adds terms that may be negative.
        positive = all(value > 0 for line in lines for value in line["loss"].values())
        if positive:
            loss.set_yscale("log")
            loss.yaxis.set_major_formatter("{x:g}")
            loss.yaxis.set_minor_formatter("{x:g}")
        loss.set_title("loss")
        courses: dict[str, list[tuple[int, float]]] = {}
        for line in lines:
            for task, (kind, value) in headlines(line.get("val", {})).items():
                courses.setdefault(f"{task}: {kind}", []).append((line["epoch"], 100 * value))
        for name, course in courses.items():
            task = name.partition(":")[0]
            colour = colours.setdefault(task, _COLOURS[len(colours) % len(_COLOURS)])
            _draw(figures, course, f"{name}, {course[-1][1]:.1f} at last", colour)
        figures.set_title("validation, %")
        _draw(rate, [(line["epoch"], line["learning_rate"]) for line in lines], "", _COLOURS[0])
        rate.set_title("learning rate")
        for axes in (loss, figures, rate):
            axes.set_xlabel("epoch")
            axes.grid(color=GRID)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        loss.legend(loc="upper left", bbox_to_anchor=(0, -0.14), ncols=2)
        if courses:
            figures.legend(loc="upper left", bbox_to_anchor=(0, -0.14))


def _draw(axes: Axes, points: list[tuple[int, float]], label: str, colour: str) -> None:
    epochs, values = zip(*points, strict=True)
    marker = "o" if len(points) < 40 else ""
    axes.plot(epochs, values, marker=marker, markersize=3.5, color=colour, label=label)


def _read(metrics: Path) -> list[dict[str, Any]]:
    try:
        lines = [msgspec.json.decode(line) for line in metrics.read_bytes().splitlines()]
        for line in lines:
            line["epoch"], line["loss"], line["learning_rate"]
    except OSError as error:
        raise EdgeMtlError(
            f"{metrics}: expected the metrics of a training run, found: {error.strerror}; give the "
            "metrics.jsonl of a run's folder"
        ) from None
    except (msgspec.DecodeError, KeyError, TypeError):
        lines = []
    if not lines:
        raise EdgeMtlError(
            f"{metrics}: expected a line of JSON an epoch, with epoch, loss and learning_rate, "
            "found another or an empty file; give the metrics.jsonl of a run's folder"
        )
    return lines
