"""`BenchResult`: what a benchmark found. The one type between measuring and telling."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from edge_mtl.errors import EdgeMtlError
from edge_mtl.machine import Machine

FORMAT = 1

Verdict = Literal["faster", "slower", "same", "unclear"]


class Interval(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An estimate and the 95 % confidence interval around it."""

    value: float
    low: float
    high: float


class Latency(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The latency of a stage in milliseconds, over `count` frames.

    A percentile beyond which not even one frame is to be expected is None: p99 of less than 100
    frames, p999 (99.9 %) of less than 1000.
    """

    count: int
    mean: Interval
    p50: Interval
    p90: Interval
    p95: Interval
    p99: Interval | None
    p999: Interval | None
    max_ms: float


class WarmUp(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What ran before anything was counted."""

    frames: int
    seconds: float
    slowest_ms: float


class ClosedLoop(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One frame after the other from memory, each as soon as the last is done, as `trtexec` does.

    seconds: in which this subject ran, without the turns of the others.
    stages: "preprocess", "engine", "head" and "total".
    jitter_ms: by how much the total of a frame differs from that of the frame before, on average.
    totals_ms: the total of every frame, in order, rounded to microseconds.
    """

    warm_up: WarmUp
    seconds: float
    frames: int
    frames_per_second: Interval
    stages: dict[str, Latency]
    jitter_ms: Interval
    totals_ms: tuple[float, ...]


class Camera(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Frames that come at `rate_hz` whoever is ready for them, the newest first: an open loop, in
    which waiting counts.

    offered: frames that came; scenes: those that were looked at; dropped: those that were replaced
        by a newer one.
    missed: scenes that were there later than `deadline_ms` after the capture of their frame.
    age: from the capture of a frame until its scene was there.
    jitter_ms: by how much the age of a scene differs from that of the scene before, on average.
    ages: of every scene, or evenly of many, the second at which it was there, without the turns of
        the others, and its age in milliseconds.
    """

    rate_hz: float
    seconds: float
    offered: int
    scenes: int
    dropped: int
    deadline_ms: float
    missed: int
    age: Latency
    jitter_ms: Interval
    ages: tuple[tuple[float, float], ...]


class Throughput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Frames a second with so many streams, each a thread and buffers of its own on one network,
    and so many frames at a time in each. p50_ms: how long one frame takes then."""

    streams: int
    batch: int
    frames_per_second: Interval
    p50_ms: float


class Start(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A process of its own, from its start to its first scene and with the most memory that it had.

    first_result_s: one a process, in order.
    peak_memory_mb: resident, the largest of them, in 10^6 bytes.
    """

    first_result_s: tuple[float, ...]
    peak_memory_mb: float


class Energy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """meter: what was read, such as "NVML, NVIDIA H200". covers: what draws this power.

    watts: while this subject ran in the closed loop; idle_watts: while nothing of ours did.
    joules_per_frame: all of `watts`, idle ones included, over the frames.
    """

    meter: str
    covers: str
    watts: float
    idle_watts: float
    joules_per_frame: float


class Accuracy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the same file reaches.

    data: the data set; None where nobody wrote it down.
    by: "export" as its manifest says; "this run" where the engine that was timed was measured.
    labels: by task, the name and the value of its headline, such as ("miou", 0.76), from 0 to 1.
    agreement: the same of tasks that had no labels, as far as the float network says the same.
    """

    data: str | None
    by: Literal["export", "this run"]
    labels: dict[str, tuple[str, float]]
    agreement: dict[str, tuple[str, float]]

    @property
    def mean(self) -> float | None:
        """Over the tasks that have labels; None where none has."""
        values = [value for _, value in self.labels.values()]
        return sum(values) / len(values) if values else None


class Subject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A network in an engine.

    name: "driving-s, openvino", once in a result.
    network_sha256: of the graph, or of the weights of a checkpoint.
    accuracy: None where nobody measured it.
    energy: or the reason why it cannot be told.
    """

    name: str
    model: str
    engine: str
    engine_version: str
    precision: str
    network_sha256: str
    accuracy: Accuracy | None
    closed_loop: ClosedLoop
    camera: Camera | None
    throughput: tuple[Throughput, ...]
    start: Start | None
    energy: Energy | str


class Comparison(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Two subjects that ran in turn. ratio: how many times as fast the first is as `baseline`, by
    their medians round by round."""

    subject: str
    baseline: str
    ratio: Interval
    verdict: Verdict

    def told(self) -> str:
        """In a plain sentence."""
        interval = f"{self.ratio.low:.2f} to {self.ratio.high:.2f}"
        if self.verdict == "same":
            return f"{self.subject} is as fast as {self.baseline} ({interval} times)"
        if self.verdict == "unclear":
            return (
                f"{self.subject} and {self.baseline}: no difference that this run could tell "
                f"({interval} times); measure for longer, or on a quieter machine"
            )
        times, low, high = self.ratio.value, self.ratio.low, self.ratio.high
        if self.verdict == "slower":
            times, low, high = 1 / times, 1 / high, 1 / low
        told = f"{times:.2f} times as {'fast' if self.verdict == 'faster' else 'slow'}"
        return f"{self.subject} is {told} as {self.baseline} ({low:.2f} to {high:.2f}): real"


class MachineState(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the machine was at while it measured. None where this machine does not tell.

    speed_p50, speed_worst: of a fixed piece of work between the turns, its best time over its
        median and over its 95th percentile: 1 on a machine whose clock stands still.
    clock_mhz: lowest and highest of a core; gpu_clock_mhz likewise.
    throttled: what says that clocks were cut, such as "thermal, cores: 12 times".
    hottest_c: degrees Celsius. stolen, others: the share of all cores that the hypervisor and other
        processes had.
    notes: how its clocks are set up, such as "cpufreq governor schedutil, 729 to 1728 MHz" or
        "nvpmodel MAXN".
    """

    speed_p50: float
    speed_worst: float
    clock_mhz: tuple[float, float] | None
    gpu_clock_mhz: tuple[float, float] | None
    throttled: tuple[str, ...]
    hottest_c: float | None
    stolen: float | None
    others: float | None
    notes: tuple[str, ...] = ()

    def warnings(self) -> list[str]:
        """Why the figures may be worse than this machine can do, a sentence each; empty where
        nothing disturbed them."""
        found = [f"clocks were cut: {each}" for each in self.throttled]
        if self.speed_worst < 0.8:
            found.append(
                f"the machine's speed fell to {self.speed_worst:.0%} of its best at times (a fixed "
                "piece of work between the turns says so)"
            )
        if self.stolen is not None and self.stolen > 0.02:
            found.append(f"the hypervisor gave {self.stolen:.0%} of the cores to others")
        if self.others is not None and self.others > 0.05:
            found.append(f"other processes had {self.others:.0%} of the cores")
        return found


class Point(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What something costs at one size."""

    x: float
    ms: Interval


class Curve(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a cost grows: ms = scale * x ** exponent + fixed, fitted.

    what: such as "engine" or "head". quantity: such as "pixels of the network's input", the x.
    baseline: the x of the network as it ships.
    wall: where this next becomes the limit, in a sentence.
    """

    what: str
    quantity: str
    points: tuple[Point, ...]
    baseline: float
    exponent: Interval
    scale: float
    fixed_ms: float
    wall: str


class Estimate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a network should do on a device that was not at hand. Not a measurement.

    basis: the arithmetic in a sentence. sources: where the device's figures are published.
    command: what would put a measurement in its place.
    """

    model: str
    device: str
    engine: str
    low_ms: float
    high_ms: float
    basis: str
    sources: tuple[str, ...]
    command: str


class BenchResult(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A run of the benchmark.

    created: RFC 3339. command: what made it, to be typed again. commit: of a checkout.
    frame_size: width and height of the frames. seconds: asked for, of each subject.
    rounds: how many turns each subject had, one after the other: A B A B.
    skipped: engines that are there and were not compared, with the reason.
    """

    format: int = FORMAT
    created: str
    command: str
    version: str
    commit: str
    machine: Machine
    gpus: tuple[str, ...] = ()
    source: str
    frame_size: tuple[int, int]
    masks: str
    threads: int | None
    seconds: float
    rounds: int = 0
    state: MachineState | None = None
    subjects: tuple[Subject, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    skipped: dict[str, str] = {}
    curves: tuple[Curve, ...] = ()
    estimates: tuple[Estimate, ...] = ()

    def to_bytes(self) -> bytes:
        """As JSON, indented."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n"

    @classmethod
    def read(cls, path: Path) -> BenchResult:
        """The result that `edge-mtl bench --json` left.

        Raises:
            EdgeMtlError: the file cannot be read, or is no such result, or of another format.
        """
        what = "expected a result of `edge-mtl bench --json`"
        try:
            data = path.read_bytes()
        except OSError as error:
            raise EdgeMtlError(f"{path}: {what}, found: {error.strerror}") from None
        try:
            found = msgspec.json.decode(data, type=_Head).format
            if found == FORMAT:
                return msgspec.json.decode(data, type=cls)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise EdgeMtlError(f"{path}: {what}, found: {error}; measure again") from None
        raise EdgeMtlError(
            f"{path}: {what} of format {FORMAT}, found format {found}; read it with the edge-mtl "
            "that wrote it, or measure again"
        )


class _Head(msgspec.Struct):
    """What every format has."""

    format: int
