"""What an export found: which precisions were tried, what each task lost, what each layer runs in,
and how long it takes."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

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
