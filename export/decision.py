"""Which precision of a network is kept: of those that lose too little, the fastest."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edge_mtl.bundle import Bundle
from edge_mtl.export.latency import Latencies, latencies
from edge_mtl.export.precision import GateError, Precision, PrecisionSearch, Report, Trial
from edge_mtl.export.report import Candidate, ExportReport


def decide(
    search: PrecisionSearch,
    wanted: Precision,
    half: bool,
    engines: Sequence[str],
    deployed: Callable[[Trial], Bundle],
    tell: Report,
) -> tuple[Trial, ExportReport]:
    """The trial to keep, and the report of all.

    Args:
        wanted: "int8" to try 8 bits and what they fall back to; "fp16" or "fp32" for that alone.
        half: whether what is not in 8 bits runs in float16, as on GPUs; otherwise in float32.
        engines: names in `ENGINES` that run the bundle on this machine, to be timed; none where
            it will run on another one.
        deployed: the bundle of a trial as it is deployed here.
        tell: called as the work goes on.

    Raises:
        GateError: nothing that was wanted passes, where float32 is not what anyone would deploy.
    """
    plain = search.whole("fp32")
    trials = [plain]
    if wanted == "int8":
        trials += search.quantised()
    # Also beside 8 bits that pass where both can be timed: Q/DQ may be slower than FP16.
    if half and wanted != "fp32" and (engines or not (trials[1:] and trials[-1].passed)):
        trials.append(search.whole("fp16"))
    passed = [each for each in trials[1:] if each.passed]
    times: Latencies = {}
    if not passed:
        kept, reason = plain, "a task loses more than it may in anything less"
        if trials == [plain]:
            reason = "no task loses more than it may"
    elif engines:
        tell("latency", 0, 1)
        times = latencies({each.name: deployed(each) for each in trials}, engines)
        tell("latency", 1, 1)
        kept, reason = _fastest([plain, *passed], times)
    else:
        kept, reason = passed[0], "no task loses more than it may"
    candidates = [
        Candidate(
            name=each.name,
            passed=each.passed,
            verdicts=() if each is plain else each.verdicts,
            latency_ms=times.get(each.name, {}),
        )
        for each in trials
    ]
    others: Precision = "fp16" if half and kept is not plain else "fp32"
    report = search.report(kept, reason, candidates, others)
    if half and trials[1:] and not passed:
        worst = max(trials[-1].verdicts, key=lambda each: each.lost - each.allowed)
        raise GateError(
            f"expected every task within its tolerance, found that {worst.task} loses "
            f"{worst.lost:.2f} points of {worst.figure} even in float16, where {worst.allowed:g} "
            "are allowed; export with --precision fp32, or raise --tolerance",
            report,
        )
    return kept, report


def _fastest(passed: list[Trial], times: Latencies) -> tuple[Trial, str]:
    """Of the trials that passed the one with the lowest latency in its best engine; where nothing
    could be measured the second one, which has most in 8 bits."""
    timed = [each for each in passed if times[each.name]]
    if not timed:
        return passed[1], "no task loses more than it may"
    return (
        min(timed, key=lambda each: min(times[each.name].values())),
        "the fastest here of those in which no task loses more than it may",
    )
