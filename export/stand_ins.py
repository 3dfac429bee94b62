"""The lighter networks of an export: made of the network that was kept, measured and packed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import onnx

from edge_mtl.bundle import Bundle
from edge_mtl.evaluation.accuracy import Accuracy
from edge_mtl.export.deployment import Deployment
from edge_mtl.export.gate import judge
from edge_mtl.export.latency import Latencies, latencies
from edge_mtl.export.lighter import lighter_graph
from edge_mtl.export.precision import Precision, Report, Trial
from edge_mtl.export.report import LighterNetwork
from edge_mtl.export.yardstick import Measured, Yardstick
from edge_mtl.runtime.engines import open_engine
from edge_mtl.spec import ModelSpec

Package = Callable[[ModelSpec, onnx.ModelProto, Precision], tuple[onnx.ModelProto, Bundle]]
"""Makes of a graph what is deployed, and a bundle that computes as the target will."""


@dataclass(frozen=True, slots=True)
class StandIns:
    """The lighter networks of a bundle: its files, and what was measured of them."""

    files: dict[str, bytes]
    report: tuple[LighterNetwork, ...]


def lighten(
    kept: Trial,
    specs: Sequence[ModelSpec],
    package: Package,
    yardstick: Yardstick,
    engines: Sequence[str],
    deployed: Deployment,
    tell: Report,
) -> StandIns:
    """Make the lighter networks of the one that is kept; all are measured, none is refused.

    Args:
        specs: as `lighter_specs` gives them; none gives nothing.
        engines: names in `ENGINES`, to be timed in, beside the full network; none to time nothing.
        tell: called as the work goes on.
    """
    trials = {
        f"lighter-{index}.emtl": _measured(kept, f"lighter-{index}", spec, package, yardstick, tell)
        for index, spec in enumerate(specs)
    }
    times: Latencies = {}
    if trials and engines:
        tell("latency, lighter", 0, 1)
        timed = {kept.name: kept, **trials}
        times = latencies({name: deployed(each) for name, each in timed.items()}, engines)
        tell("latency, lighter", 1, 1)
    files, report = {}, []
    for name, trial in trials.items():
        accuracy = {"exported": trial.measured.labels.to_json()}
        made = deployed(trial, accuracy=accuracy, accuracy_data=yardstick.data)
        files[name] = made.packed()
        report.append(
            LighterNetwork(
                file=name,
                size=made.spec.input.size,
                tasks=tuple(task.name for task in made.spec.tasks),
                verdicts=trial.verdicts,
                latency_ms=times.get(name, {}),
                full_ms=times.get(kept.name, {}),
            )
        )
    return StandIns(files, tuple(report))


def _measured(
    kept: Trial,
    name: str,
    spec: ModelSpec,
    package: Package,
    yardstick: Yardstick,
    tell: Report,
) -> Trial:
    graph = lighter_graph(kept.model, kept.bundle.spec, spec)
    model, bundle = package(spec, graph, kept.precision)
    engine = open_engine("onnxruntime", bundle)
    try:
        measured = yardstick(engine, partial(tell, f"measure {name}"), spec)
    finally:
        engine.close()
    before = Measured(*(_of(each, spec) for each in yardstick.before))
    return Trial(name, kept.precision, model, bundle, measured, tuple(judge(before, measured)))


def _of(accuracy: Accuracy, spec: ModelSpec) -> Accuracy:
    """The accuracy of the tasks that a spec has."""
    names = {task.name for task in spec.tasks}
    tasks = {name: each for name, each in accuracy.tasks.items() if name in names}
    return Accuracy(frames=accuracy.frames, tasks=tasks)
