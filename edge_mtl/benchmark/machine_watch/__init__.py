"""`MachineWatch`: what disturbed a measurement."""

from __future__ import annotations

import os
from types import TracebackType

from edge_mtl.benchmark.machine_watch.cooling import Cooling
from edge_mtl.benchmark.machine_watch.fixed_work import FixedWork
from edge_mtl.benchmark.machine_watch.gpu_watch import watch_gpu
from edge_mtl.benchmark.machine_watch.processor_clock import ProcessorClock
from edge_mtl.benchmark.machine_watch.processor_time import ProcessorTime, shares
from edge_mtl.benchmark.machine_watch.settings import clock_settings
from edge_mtl.benchmark.machine_watch.thermometers import Thermometers
from edge_mtl.benchmark.machine_watch.throttle_counters import throttle_counts, told
from edge_mtl.benchmark.result import MachineState


class MachineWatch:
    """Watches the machine between the turns of a measurement, and never during one:

        with MachineWatch() as watch:
            ...a turn...
            watch.look()
        state = watch.state()

    Counters of the kernel tell what happened at any time; clocks, temperatures and the fixed piece
    of work tell how it was at the looks, of which there is one at the end in any case.
    """

    def __enter__(self) -> MachineWatch:
        self._cores = os.sched_getaffinity(0)
        self._work = FixedWork()
        self._clock = ProcessorClock()
        self._thermometers = Thermometers()
        self._cooling = Cooling()
        self._gpu = watch_gpu()
        self._counts = throttle_counts(self._cores)
        self._time = ProcessorTime.now(self._cores)
        return self

    def look(self) -> None:
        """Right after a turn, while clocks are still what they were. Takes 1 to 2 ms."""
        self._work.do()
        self._clock.look()
        self._thermometers.look()
        self._cooling.look()
        if self._gpu is not None:
            self._gpu.look()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.look()
        self._state = self._tell()
        if self._gpu is not None:
            self._gpu.close()

    def state(self) -> MachineState:
        """What was seen, after the end."""
        return self._state

    def _tell(self) -> MachineState:
        stolen, others = shares(self._time, ProcessorTime.now(self._cores), len(self._cores))
        throttled = told(self._counts, throttle_counts(self._cores)) + self._cooling.told()
        gpu_clock_mhz, hottest_c = None, self._thermometers.hottest_c
        if self._gpu is not None:
            throttled += self._gpu.throttled()
            clocks = self._gpu.clocks_mhz
            gpu_clock_mhz = (min(clocks), max(clocks)) if clocks else None
            if self._gpu.hottest_c is not None:
                hottest_c = max(self._gpu.hottest_c, hottest_c or 0.0)
        speed_p50, speed_worst = self._work.speeds()
        return MachineState(
            speed_p50=speed_p50,
            speed_worst=speed_worst,
            clock_mhz=self._clock.range(),
            gpu_clock_mhz=gpu_clock_mhz,
            throttled=tuple(throttled),
            hottest_c=hottest_c,
            stolen=stolen,
            others=others,
            notes=tuple(clock_settings(self._cores)),
        )
