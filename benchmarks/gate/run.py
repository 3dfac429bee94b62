"""One run of the gate, and several with other processes beside them."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import msgspec

from edge_mtl import ops
from edge_mtl.errors import EdgeMtlError
from edge_mtl.machine import Machine
from gate import callgrind, instructions
from gate.cases import CASES
from gate.instructions import InstructionsFound
from gate.ratios import Case, RatioFound, measure
from gate.sources import ROOT

_RATIOS = "from gate.run import print_ratios; print_ratios()"


class RatiosFound(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """skipped: a line for each case that this machine cannot measure."""

    ratios: tuple[RatioFound, ...]
    skipped: tuple[str, ...]


class GateRun(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """busy: how many other processes kept a core busy."""

    busy: int
    seconds: float
    instructions: InstructionsFound
    ratios: RatiosFound

    @property
    def complaints(self) -> list[str]:
        """A line for each part that failed; none where the gate is open."""
        return [
            *(each.told() for each in self.instructions.counts if not each.passed),
            *(each.told() for each in self.ratios.ratios if not each.passed),
        ]


class GateRuns(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `run_gate.py repeat` found, run by run."""

    machine: Machine
    commit: str
    command: str
    runs: tuple[GateRun, ...]


def run_once() -> GateRun:
    """Count the kernels where they are not those that were kept, and measure the ratios.

    Raises:
        EdgeMtlError: the kernels are not compiled, or cannot be counted.
    """
    start = time.perf_counter()
    counted, measured = instructions.check(), measure_ratios()
    return GateRun(0, round(time.perf_counter() - start, 1), counted, measured)


def run_repeatedly(runs: int, most_busy: int) -> Iterator[GateRun]:
    """Beside no busy process, one ... `most_busy`, and again from none.

    Ratios are measured in a process of their own. Kernels are counted even where they are those
    that were kept, and held against the counts that were kept.

    Raises:
        EdgeMtlError: as of `run_once`, or nothing was kept.
    """
    kept = instructions.read_kept()
    if kept is None:
        raise EdgeMtlError(f"expected counts to hold others against; run `{instructions.KEEP}`")
    missing = callgrind.missing()
    with tempfile.TemporaryDirectory() as folder:
        program = callgrind.build(ROOT, Path(folder)) if missing is None else None
        for index in range(runs):
            busy = index % (most_busy + 1)
            start = time.perf_counter()
            with _busy_processes(busy):
                if program is None:
                    counted = InstructionsFound(f"not counted: {missing}")
                else:
                    counted = instructions.against_kept_counts(kept, callgrind.count(program))
                command = [sys.executable, "-c", _RATIOS]
                output = subprocess.check_output(command, cwd=ROOT / "benchmarks")
            measured = msgspec.json.decode(output.splitlines()[-1], type=RatiosFound)
            yield GateRun(busy, round(time.perf_counter() - start, 1), counted, measured)


def measure_ratios() -> RatiosFound:
    """Every case that this machine can measure."""
    if ops.compiled() is None:
        raise EdgeMtlError(str(ops.why_not_compiled()))
    reasons = {case.name: _why_not(case) for case in CASES}
    return RatiosFound(
        tuple(measure(case) for case in CASES if reasons[case.name] is None),
        tuple(f"{name}: not measured, {reason}" for name, reason in reasons.items() if reason),
    )


def print_ratios() -> None:
    """`measure_ratios` as a line of JSON."""
    print(msgspec.json.encode(measure_ratios()).decode())


def _why_not(case: Case) -> str | None:
    for package in case.needs:
        if find_spec(package) is None:
            return f"{package} is not installed"
    if case.instructions and not set(case.instructions) & set(Machine.here().instructions):
        return f"this processor has none of {', '.join(case.instructions)}"
    return None


@contextmanager
def _busy_processes(count: int) -> Iterator[None]:
    """So many interpreters that do nothing as fast as they can."""
    command = [sys.executable, "-c", "while True: pass"]
    processes = [subprocess.Popen(command) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()
