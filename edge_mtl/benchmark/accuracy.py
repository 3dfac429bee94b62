"""The accuracy of a bundle as its export measured it."""

from __future__ import annotations

from edge_mtl.benchmark.result import Accuracy
from edge_mtl.bundle import Manifest
from edge_mtl.headline import headlines


def accuracy_of(manifest: Manifest) -> Accuracy | None:
    """By labels and, of tasks that had none, by agreement with the float network; None where nobody
    measured either: a latency alone says nothing of a network."""
    report = manifest.report or {"kept": "", "candidates": ()}
    agreement = {
        each["task"]: (each["figure"], each["after"])
        for candidate in report["candidates"]
        if candidate["precision"] == report["kept"]
        for each in candidate["figures"]
        if each["basis"] == "agreement"
    }
    labels = headlines((manifest.accuracy or {}).get("exported", {}))
    if not labels and not agreement:
        return None
    return Accuracy(manifest.accuracy_data, "export", labels, agreement)


def told(accuracy: Accuracy | None, model: str) -> str:
    """In a line, to stand below a latency."""
    if accuracy is None:
        return f"accuracy: nobody measured it; `edge-mtl eval {model} --data DATA` does"
    parts = []
    if accuracy.labels:
        parts.append(_figures(accuracy.labels))
    if accuracy.agreement:
        parts.append(f"as the float network: {_figures(accuracy.agreement)}")
    return f"accuracy on {accuracy.data or 'data that nobody noted'}: {'; '.join(parts)}"


def _figures(found: dict[str, tuple[str, float]]) -> str:
    return ", ".join(f"{task} {name} {value:.3f}" for task, (name, value) in found.items())
