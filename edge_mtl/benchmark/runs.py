"""All that `edge-mtl bench` measures, one method after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

from edge_mtl.benchmark.camera_run import run_as_camera
from edge_mtl.benchmark.closed_loop import compare, take_turns
from edge_mtl.benchmark.contender import Contender
from edge_mtl.benchmark.energy import EnergyMeter, open_meter
from edge_mtl.benchmark.energy_use import EnergyUse
from edge_mtl.benchmark.machine_watch import MachineWatch
from edge_mtl.benchmark.result import (
    Camera,
    Comparison,
    MachineState,
    Start,
    Subject,
    Throughput,
)
from edge_mtl.benchmark.start import start_processes
from edge_mtl.benchmark.streams import throughput
from edge_mtl.runtime.engines import GpuEngine
from edge_mtl.runtime.pipeline import Pipeline
from edge_mtl.runtime.sources import Frame

_THROUGHPUT_SHARE, _THROUGHPUT_LEAST_S = 0.2, 0.2


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured of each contender.

    seconds: in the closed loop, and again behind the camera.
    rate_hz: of the camera; 0 for no such run. deadline_ms: see `result.Camera`.
    streams: the most at once; 0 for no such run. starts: processes to start.
    """

    seconds: float
    rate_hz: float
    deadline_ms: float
    streams: int
    starts: int


@dataclass(frozen=True, slots=True)
class Found:
    """See `result.BenchResult`."""

    subjects: tuple[Subject, ...]
    comparisons: tuple[Comparison, ...]
    state: MachineState
    rounds: int


Tell = Callable[[str, int, int], None]


def measure(
    contenders: Sequence[Contender],
    pipelines: Mapping[str, Pipeline],
    frames: Sequence[Frame],
    plan: Plan,
    tell: Tell,
) -> Found:
    """Measure the contenders against each other.

    Args:
        pipelines: by name, one for each contender; they stay open.
        frames: at least one, in memory.
        tell: called with what is measured, how much of it is done, and out of how much.

    Raises:
        EdgeMtlError: an engine fails.
    """
    on_gpu = {name: isinstance(each.engine, GpuEngine) for name, each in pipelines.items()}
    with ExitStack() as stack:
        meters: dict[bool, EnergyMeter | str] = {}
        for where in dict.fromkeys(on_gpu.values()):
            meter = meters[where] = open_meter(on_gpu=where)
            if not isinstance(meter, str):
                stack.callback(meter.close)
        energy = {name: EnergyUse(meters[where]) for name, where in on_gpu.items()}
        for use in energy.values():
            use.rest()
        watch = stack.enter_context(MachineWatch())
        turns = take_turns(
            pipelines, frames, plan.seconds, watch, energy, partial(tell, "closed loop")
        )
        cameras: dict[str, Camera] = {}
        if plan.rate_hz:
            cameras = run_as_camera(
                pipelines,
                frames,
                plan.seconds,
                plan.rate_hz,
                plan.deadline_ms,
                watch,
                partial(tell, f"camera of {plan.rate_hz:g} Hz"),
            )
    state = watch.state()
    subjects = []
    for number, contender in enumerate(contenders):
        tell("streams and starts", number, len(contenders))
        streams: list[Throughput] = []
        if plan.streams:
            seconds = max(_THROUGHPUT_LEAST_S, _THROUGHPUT_SHARE * plan.seconds)
            streams = throughput(contender.open, frames, seconds, plan.streams)
        start: Start | None = None
        if plan.starts:
            start = start_processes(contender.arguments, frames[0].image, plan.starts)
        loop = turns[contender.name].summary()
        subjects.append(
            Subject(
                name=contender.name,
                model=contender.model,
                engine=contender.engine,
                engine_version=contender.engine_version,
                precision=contender.precision,
                network_sha256=contender.network_sha256,
                accuracy=contender.accuracy,
                closed_loop=loop,
                camera=cameras.get(contender.name),
                throughput=tuple(streams),
                start=start,
                energy=energy[contender.name].told(loop.seconds, loop.frames),
            )
        )
    tell("streams and starts", len(contenders), len(contenders))
    rounds = len(turns[contenders[0].name].seconds)
    return Found(tuple(subjects), tuple(compare(turns)), state, rounds)
