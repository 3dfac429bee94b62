"""The accuracy that stands beside every latency, and which accuracies may be compared."""

from __future__ import annotations

from edge_mtl.benchmark.report.numbers import count
from edge_mtl.benchmark.result import Accuracy

Yardstick = tuple[str | None, tuple[tuple[str, str], ...]]
"""The data set, and the names of the tasks with those of their figures."""


def accuracy_in_words(accuracy: Accuracy | None) -> str:
    """ "accuracy 0.741, mean of 3 tasks"."""
    if accuracy is None:
        return "accuracy not measured"
    if accuracy.mean is None:
        return "accuracy not measured by labels"
    if len(accuracy.labels) > 1:
        return f"accuracy {accuracy.mean:.3f}, mean of {count(len(accuracy.labels), 'task')}"
    [(task, (name, _))] = accuracy.labels.items()
    return f"accuracy {accuracy.mean:.3f}, {task} {name}"


def yardstick(accuracy: Accuracy | None) -> Yardstick | None:
    """By what an accuracy was measured: means by another one are not to be compared. None where
    there is no mean."""
    if accuracy is None or not accuracy.labels:
        return None
    return accuracy.data, tuple(sorted((task, name) for task, (name, _) in accuracy.labels.items()))
