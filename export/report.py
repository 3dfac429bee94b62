"""What an export found: which precisions were tried, what each task lost, what each layer runs in,
and how long it takes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import msgspec
from rich.table import Table

from edge_mtl.export.gate import Verdict

LayerPrecision = Literal["int8", "fp16", "fp32"]


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A precision that was tried.

    name: "fp32", "fp16", "int8", or "int8, N layers float" where N layers were left out.
    passed: whether no task lost more than it may.
    verdicts: of every figure that was judged; of the float network none.
    latency_ms: by engine, on the machine that exported; empty where it was not measured.
    """

    name: str
    passed: bool
    verdicts: tuple[Verdict, ...] = ()
    latency_ms: dict[str, float] = {}


class LayerReport(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a layer runs in.

    error: by task that had failed, the mean squared error that this layer alone brought to its raw
        outputs in 8 bits, as a share of their variance; empty where all tasks passed at once.
    """

    name: str
    precision: LayerPrecision
    error: dict[str, float] = {}


class ExportReport(msgspec.Struct, frozen=True, kw_only=True):
    """kept: the name of the candidate that is in the bundle; reason: why that one.

    data, frames: on what all were measured.
    """

    data: str
    frames: int
    kept: str
    reason: str
    candidates: tuple[Candidate, ...]
    layers: tuple[LayerReport, ...]

    def to_json(self, *, times: bool = True) -> dict[str, Any]:
        """Plain numbers, strings and lists.

        times: also latencies, which are others in every run: a bundle, which is the same for the
            same input, goes without.
        """
        rows = [
            {
                "precision": each.name,
                "passed": each.passed,
                "figures": [verdict.to_json() for verdict in each.verdicts],
                **({"latency_ms": each.latency_ms} if times else {}),
            }
            for each in self.candidates
        ]
        return {
            "data": self.data,
            "frames": self.frames,
            "kept": self.kept,
            "reason": self.reason,
            "candidates": rows,
            "layers": [msgspec.to_builtins(each) for each in self.layers],
        }

    def tables(self) -> Iterable[Table]:
        """For the terminal: tasks by precision, latencies, and layers that are not in 8 bits."""
        if any(each.verdicts for each in self.candidates):
            yield self._figures()
        if any(each.latency_ms for each in self.candidates):
            yield self._latencies()
        if {layer.precision for layer in self.layers} != {"int8"} and "int8" in self.kept:
            yield self._layers()

    def _figures(self) -> Table:
        table = Table(
            title=f"points lost on {self.frames} frames of {self.data}", title_justify="left"
        )
        for column in ("task", "figure", "by"):
            table.add_column(column)
        judged = [each for each in self.candidates if each.verdicts]
        for column in (*(each.name for each in judged), "allowed"):
            table.add_column(column, justify="right")
        for rows in zip(*(each.verdicts for each in judged), strict=True):
            first = rows[0]
            lost = [f"{row.lost:+.2f}{'' if row.passed else ' !'}" for row in rows]
            table.add_row(first.task, first.figure, first.basis, *lost, f"{first.allowed:.2f}")
        return table

    def _latencies(self) -> Table:
        table = Table(title="latency of the network here, ms", title_justify="left")
        table.add_column("precision")
        timed = [each for each in self.candidates if each.latency_ms]
        engines = list(timed[0].latency_ms)
        for engine in engines:
            table.add_column(engine, justify="right")
        for each in timed:
            table.add_row(each.name, *(f"{each.latency_ms[engine]:.2f}" for engine in engines))
        return table

    def _layers(self) -> Table:
        floating = [each for each in self.layers if each.precision != "int8"]
        table = Table(
            title=f"{len(floating)} of {len(self.layers)} layers are not in 8 bits",
            title_justify="left",
        )
        table.add_column("layer")
        table.add_column("precision")
        table.add_column("error in 8 bits")
        for layer in floating:
            errors = ", ".join(f"{task} {value:.2g}" for task, value in layer.error.items())
            table.add_row(layer.name, layer.precision, errors)
        return table
