"""The precision that a network is deployed in: the fastest one in which no task loses too much."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import onnx

from edge_mtl.bundle import Bundle
from edge_mtl.data.datasets import Dataset
from edge_mtl.errors import EdgeMtlError
from edge_mtl.export.calibration import Ranges
from edge_mtl.export.gate import Tolerances, Verdict, failed, judge
from edge_mtl.export.layers import Layer, in_8_bits, layers, nodes_of
from edge_mtl.export.quantize import quantize
from edge_mtl.export.report import Candidate, ExportReport, LayerReport
from edge_mtl.export.schemes import Scheme
from edge_mtl.export.sensitivity import Errors, sensitivity
from edge_mtl.export.yardstick import Measured, Yardstick
from edge_mtl.runtime.engines import open_engine

Precision = Literal["fp32", "fp16", "int8"]
Report = Callable[[str, int, int], None]
"""Called with a stage, and how much of it is done out of how much."""


class GateError(EdgeMtlError):
    """A task loses more than it may in every precision that the target has.

    report: what was tried.
    """

    def __init__(self, message: str, report: ExportReport) -> None:
        super().__init__(message)
        self.report = report


@dataclass(frozen=True, slots=True)
class Trial:
    """A network in one precision, measured.

    name: as in `Candidate`. model: what is deployed. bundle: what was measured.
    """

    name: str
    precision: Precision
    model: onnx.ModelProto
    bundle: Bundle
    measured: Measured
    verdicts: tuple[Verdict, ...]

    @property
    def passed(self) -> bool:
        return not failed(self.verdicts)


class PrecisionSearch:
    """Tries precisions of one float graph for one target.

    Args:
        floating: the float graph; its nodes have names of their own.
        scheme: of the target.
        ranges: of the activations, as `calibrate` gives them.
        nodes: the names of the nodes that may be quantised; None for all.
        package: takes a graph and its precision; the graph as it is deployed, with 8-bit edges, and
            a bundle that computes as the target will.
        yardstick: measures them.
        frames: pictures to find out with which layers suffer from 8 bits.
        tell: called as the work goes on.
    """

    def __init__(
        self,
        floating: onnx.ModelProto,
        scheme: Scheme,
        ranges: Ranges,
        nodes: Collection[str] | None,
        package: Callable[[onnx.ModelProto, Precision], tuple[onnx.ModelProto, Bundle]],
        yardstick: Yardstick,
        tolerances: Tolerances,
        frames: Dataset,
        tell: Report,
    ) -> None:
        self._floating = floating
        self._scheme = scheme
        self._ranges = ranges
        self._package = package
        self._yardstick = yardstick
        self._tolerances = tolerances
        self._frames = frames
        self._tell = tell
        self.layers = layers(floating, scheme, nodes)
        self.errors: Errors = {}

    def whole(self, precision: Precision) -> Trial:
        """The network in float32 or float16 throughout."""
        return self._try(precision, precision, self._floating)

    def quantised(self) -> list[Trial]:
        """All layers in 8 bits and, where a task fails so, with as few layers as it takes left
        out; the last trial of the list is the best one, whether or not it passes."""
        everything = self._mixed(())
        bad = failed(everything.verdicts)
        if not bad:
            return [everything]
        self.errors = sensitivity(
            self._floating,
            everything.bundle.spec,
            self._scheme,
            self._ranges,
            self.layers,
            bad,
            self._frames,
            partial(self._tell, "sensitivity"),
        )
        order = self._worst_first()
        mixed = self._fewest_left_out(order[: len(self.layers) - 1])  # all would be no 8 bits
        return [everything] if mixed is None else [everything, mixed]

    def _worst_first(self) -> list[Layer]:
        """The layers by how much error each would take away for what it would cost."""

        def gain(layer: Layer) -> float:
            return sum(self.errors[layer.name].values()) / max(layer.cost, 1.0)

        relevant = [layer for layer in self.layers if layer.name in self.errors]
        return sorted(relevant, key=gain, reverse=True)

    def _fewest_left_out(self, order: Sequence[Layer]) -> Trial | None:
        """Leave out twice as many until all tasks pass, then as few as still pass; None where even
        leaving out nearly all does not help."""
        few, many = 0, 1
        best = None
        while best is None:
            trial = self._mixed(order[:many])
            if trial.passed:
                best = trial
            elif many >= len(order):
                return None
            else:
                few, many = many, min(2 * many, len(order))
        while many - few > 1:
            middle = (few + many) // 2
            trial = self._mixed(order[:middle])
            if trial.passed:
                best, many = trial, middle
            else:
                few = middle
        return best

    def _mixed(self, left_out: Sequence[Layer]) -> Trial:
        names = {layer.name for layer in left_out}
        kept = [layer for layer in self.layers if layer.name not in names]
        model = quantize(self._floating, self._scheme, self._ranges, nodes_of(kept))
        name = f"int8, {len(names)} layer{'s'[: len(names) > 1]} float" if names else "int8"
        return self._try(name, "int8", model)

    def _try(self, name: str, precision: Precision, model: onnx.ModelProto) -> Trial:
        model, bundle = self._package(model, precision)
        if precision == "fp32":
            measured = self._yardstick.before
        else:
            engine = open_engine("onnxruntime", bundle)
            try:
                measured = self._yardstick(engine, partial(self._tell, f"measure {name}"))
            finally:
                engine.close()
        verdicts = judge(self._yardstick.before, measured, self._tolerances)
        return Trial(name, precision, model, bundle, measured, tuple(verdicts))

    def report(
        self, kept: Trial, reason: str, candidates: Iterable[Candidate], others: Precision
    ) -> ExportReport:
        """others: what the layers that are not in 8 bits run in."""
        quantised = in_8_bits(kept.model, self.layers)
        return ExportReport(
            data=self._yardstick.data,
            frames=self._yardstick.before.labels.frames,
            kept=kept.name,
            reason=reason,
            candidates=tuple(candidates),
            layers=tuple(
                LayerReport(
                    name=layer.name,
                    precision="int8" if layer.name in quantised else others,
                    error=self.errors.get(layer.name, {}),
                )
                for layer in self.layers
            ),
        )
