"""How far TensorRT is with a build."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

STEPS = 1000
"""Out of how many steps progress is told."""


def progress_monitor(trt: Any, progress: Callable[[int, int], None] | None) -> Any:
    """An `IProgressMonitor` that calls `progress` with the steps done and `STEPS`; None where the
    module has none, or nobody wants to know.

    Its `interrupted` says whether Ctrl-C stopped the build: TensorRT goes on in C++ otherwise.
    """
    if progress is None or not hasattr(trt, "IProgressMonitor"):
        return None
    tell = progress

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]
        """Phases lie within each other: a step of one is done when the phase within it is."""

        def __init__(self) -> None:
            super().__init__()
            self.interrupted = False
            self._phases = Phases()

        def phase_start(self, phase: str, parent: str | None, steps: int) -> None:
            self._phases.start(phase, parent, steps)

        def step_complete(self, phase: str, step: int) -> bool:
            try:
                self._phases.step(phase, step)
                tell(int(STEPS * self._phases.fraction()), STEPS)
            except KeyboardInterrupt:
                self.interrupted = True
            return not self.interrupted

        def phase_finish(self, phase: str) -> None:
            self._phases.finish(phase)

    return Monitor()


class Phases:
    """The share of a build that is done, from phases that begin and end within each other."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[str | None, int, int]] = {}  # parent, done, steps
        self._reached = 0.0

    def start(self, phase: str, parent: str | None, steps: int) -> None:
        self._open[phase] = (parent, 0, max(steps, 1))

    def step(self, phase: str, step: int) -> None:
        parent, _, steps = self._open[phase]
        self._open[phase] = (parent, min(step + 1, steps), steps)

    def finish(self, phase: str) -> None:
        self._open.pop(phase, None)

    def fraction(self) -> float:
        """0 to 1, never less than before."""
        roots = [name for name, (parent, _, _) in self._open.items() if parent not in self._open]
        if roots:
            self._reached = max(self._reached, self._of(roots[0]))
        return self._reached

    def _of(self, phase: str) -> float:
        _, done, steps = self._open[phase]
        within = [self._of(name) for name, each in self._open.items() if each[0] == phase]
        return min(1.0, (done + min(sum(within), 1.0)) / steps)
