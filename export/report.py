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


class LighterNetwork(msgspec.Struct, frozen=True, kw_only=True):
    """A network that takes its turn past a deadline. Nothing is demanded of it.

    file: its name in the bundle. size: width and height of its input.
    verdicts: of every figure that is judged of the full network.
    latency_ms, full_ms: by engine, on the machine that exported, that of this network and that of
        the full one in turn with it; empty where they were not measured.
    """

    file: str
    size: tuple[int, int]
    tasks: tuple[str, ...]
    verdicts: tuple[Verdict, ...] = ()
    latency_ms: dict[str, float] = {}
    full_ms: dict[str, float] = {}

    def to_json(self, *, times: bool) -> dict[str, Any]:
        figures = [each.to_json() for each in self.verdicts]
        judged = ("allowed", "passed")
        timed = {"latency_ms": self.latency_ms, "full_ms": self.full_ms}
        return {
            "file": self.file,
            "size": list(self.size),
            "tasks": list(self.tasks),
            "figures": [{k: v for k, v in each.items() if k not in judged} for each in figures],
            **(timed if times else {}),
        }


class ExportReport(msgspec.Struct, frozen=True, kw_only=True):
    """kept: the name of the candidate that is in the bundle; reason: why that one.

    data, frames: on what all were measured.
    lighter: the networks that take turns past a deadline.
    """

    data: str
    frames: int
    kept: str
    reason: str
    candidates: tuple[Candidate, ...]
    layers: tuple[LayerReport, ...]
    lighter: tuple[LighterNetwork, ...] = ()

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
            "lighter": [each.to_json(times=times) for each in self.lighter],
        }
