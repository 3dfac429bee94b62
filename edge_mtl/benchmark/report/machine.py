"""What a result was measured on, and how: facts by name, as text."""

from __future__ import annotations

from edge_mtl.benchmark.report.numbers import count, number
from edge_mtl.benchmark.result import BenchResult, MachineState

UNKNOWN = "not told here"
"""Of what a machine does not tell."""


def machine_facts(result: BenchResult) -> dict[str, str]:
    """The machine, and what it was at while it measured."""
    machine = result.machine
    facts = {
        "processor": f"{machine.processor}, {count(machine.cores, 'core')}",
        "instructions": " ".join(machine.instructions) or "none of note",
        "GPU": ", ".join(result.gpus) or "none",
        "system": machine.system,
        "Python": machine.python,
    }
    return facts if result.state is None else {**facts, **_state_facts(result.state)}


def settings(result: BenchResult) -> dict[str, str]:
    """How it was measured."""
    width, height = result.frame_size
    commit, dirty, _ = result.commit.partition("-dirty")
    facts = {
        "edge-mtl": f"{result.version}, commit {commit[:12] or 'unknown'}{dirty}",
        "at": result.created[:19].replace("T", " "),
    }
    if not result.subjects:
        return facts
    facts |= {
        "frames": f"{result.source}, {width}x{height}",
        "masks": f"of the {result.masks}'s size",
        "threads": "all cores" if result.threads is None else str(result.threads),
        "time": f"{result.seconds:g} s a subject, in {count(result.rounds, 'round')}",
    }
    for subject in result.subjects:
        facts[subject.name] = (
            f"{subject.model} {subject.precision} in {subject.engine} {subject.engine_version}, "
            f"{count(subject.closed_loop.frames, 'frame')} after a warm-up of "
            f"{subject.closed_loop.warm_up.frames} in {subject.closed_loop.warm_up.seconds:.2g} s "
            f"(slowest {number(subject.closed_loop.warm_up.slowest_ms)} ms), network sha256 "
            f"{subject.network_sha256[:12]}"
        )
    return facts


def _state_facts(state: MachineState) -> dict[str, str]:
    return {
        "speed": f"{state.speed_p50:.0%} of its best, {state.speed_worst:.0%} at worst",
        "clocks": _clocks(state.clock_mhz),
        "clocks of the GPU": _clocks(state.gpu_clock_mhz),
        "clocks cut": "; ".join(state.throttled) or "no",
        "set up": "; ".join(state.notes) or UNKNOWN,
        "hottest": UNKNOWN if state.hottest_c is None else f"{state.hottest_c:.0f} °C",
        "taken by the hypervisor": _share(state.stolen),
        "taken by other processes": _share(state.others),
    }


def _clocks(clocks: tuple[float, float] | None) -> str:
    return UNKNOWN if clocks is None else f"{clocks[0]:.0f} to {clocks[1]:.0f} MHz"


def _share(share: float | None) -> str:
    return UNKNOWN if share is None else f"{share:.1%} of the cores"
