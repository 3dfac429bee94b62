from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_mtl.errors import EdgeMtlError
from edge_mtl.evaluation.plots.curves import plot_training

Places = Callable[..., NDArray[np.int64]]
FIRST = "#1f6fb2"


def write(path: Path, *losses: float) -> Path:
    lines: list[dict[str, Any]] = [
        {
            "epoch": i + 1,
            "step": 10 * (i + 1),
            "loss": {"segmentation": loss, "total": 2 * loss},
            "learning_rate": 1e-3,
            "seconds": 60.0,
        }
        for i, loss in enumerate(losses)
    ]
    lines[-1]["val"] = {"frames": 3, "segmentation": {"precision": 0.1, "miou": 0.5}}
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_losses_are_drawn_by_epoch(tmp_path: Path, places: Places) -> None:
    out = tmp_path / "training.png"
    plot_training(write(tmp_path / "metrics.jsonl", 4.0, 2.0, 1.0, 0.5), out)
    line = places(out, FIRST)
    line = line[(line[:, 1] < 400) & (line[:, 0] < 430)]  # without the legend, the first panel
    by_column = [line[line[:, 1] == column][:, 0].mean() for column in np.unique(line[:, 1])]
    assert len(by_column) > 200
    # Halved from epoch to epoch: a straight line down on the logarithmic axis.
    assert np.corrcoef(np.arange(len(by_column)), by_column)[0, 1] > 0.99


@pytest.mark.parametrize("losses", [(1.0,), (2.0, -1.0, -3.0)])
def test_one_epoch_and_terms_below_zero(tmp_path: Path, losses: tuple[float, ...]) -> None:
    out = tmp_path / "training.png"
    plot_training(write(tmp_path / "metrics.jsonl", *losses), out)
    assert out.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("text", ["", "no json", "[1]\n", '{"epoch": 1}\n'])
def test_another_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text(text)
    with pytest.raises(EdgeMtlError, match="expected a line of JSON an epoch"):
        plot_training(path, tmp_path / "training.png")
    with pytest.raises(EdgeMtlError, match="No such file"):
        plot_training(tmp_path / "none.jsonl", tmp_path / "training.png")
