"""What a result says, in sentences: who is fastest, whether that is real, and what disturbed it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edge_mtl.benchmark.report.accuracy import accuracy_in_words, yardstick
from edge_mtl.benchmark.report.naming import NamedResult, NamedSubject
from edge_mtl.benchmark.report.numbers import listed, number
from edge_mtl.benchmark.result import BenchResult, Comparison, Interval


def fastest(result: NamedResult) -> NamedSubject | None:
    """By the p50 of a frame in the closed loop; None where there is no subject."""
    return min(result.subjects, key=lambda each: each.total.p50.value, default=None)


def lead(result: NamedResult) -> str:
    """The result in two or three sentences, each latency with its accuracy."""
    best = fastest(result)
    if best is None:
        curves = ["scaling curves"] if result.result.curves else []
        estimates = ["estimates"] if result.result.estimates else []
        held = listed([*curves, *estimates]) or "only facts about the machine"
        return f"No network was timed from end to end here: there are {held}."
    others = [each for each in result.subjects if each is not best]
    if not others:
        return f"{best.name} takes {_figures(best)}."
    ratios = {each.name: _ratio(result.result, best, each) for each in others}
    beaten = {name: found for name, found in ratios.items() if found is not None and found.low > 1}
    told = []
    if len(beaten) == len(others):
        told.append(f"{best.name} is the fastest: {_figures(best)}.")
    else:
        told.append(f"{best.name} has the lowest p50: {_figures(best)}.")
        tied = [name for name, found in ratios.items() if found is not None and name not in beaten]
        if tied:
            told.append(f"That it is faster than {listed(tied)} is not sure.")
        apart = [name for name, found in ratios.items() if found is None]
        if apart:
            told.append(f"It was not compared in turn with {listed(apart)}: this may be chance.")
    if beaten:
        name, found = min(beaten.items(), key=lambda each: each[1].value)
        told.append(
            f"It is {found.value:.2f} times as fast as {name} ({found.low:.2f} to "
            f"{found.high:.2f}), which is real."
        )
    return " ".join([*told, *_most_accurate(best, others)])


def disturbances(result: BenchResult) -> tuple[list[str], str]:
    """Why its figures may be worse than they need be, and in a sentence how it was watched."""
    if result.state is None:
        return [], "Nobody watched whether the machine was disturbed."
    found = result.state.warnings()
    if found:
        return found, "The machine was disturbed while it measured; the figures may be too slow."
    return [], (
        "Nothing disturbed the machine: a fixed piece of work between the turns ran at "
        f"{result.state.speed_p50:.0%} of its best speed, at {result.state.speed_worst:.0%} at "
        "worst."
    )


def unlike(results: Sequence[NamedResult]) -> list[str]:
    """What several results were not measured alike in, so that they are compared with care."""
    aspects: dict[str, Callable[[BenchResult], str]] = {
        "frames": lambda each: f"{each.source}, {each.frame_size[0]}x{each.frame_size[1]}",
        "size of the masks": lambda each: each.masks,
        "threads": lambda each: "all" if each.threads is None else str(each.threads),
        "version of edge-mtl": lambda each: f"{each.version} {each.commit}".strip(),
    }
    measured = [each for each in results if each.subjects]
    found = []
    for aspect, told in aspects.items():
        values = {each.letter: told(each.result) for each in measured}
        if len(set(values.values())) > 1:
            listing = "; ".join(f"{letter} {words}" for letter, words in values.items())
            found.append(f"{aspect}: {listing}")
    return found


def energy_notes(results: Sequence[NamedResult]) -> list[str]:
    """What was read and what draws that power, or why no energy is told, a sentence each."""
    names: dict[tuple[str, ...], list[str]] = {}
    for subject in (each for result in results for each in result.subjects):
        energy = subject.subject.energy
        if isinstance(energy, str):
            names.setdefault((energy.rstrip("."),), []).append(subject.name)
        else:
            idle = f"{number(energy.idle_watts)} W of it idle"
            names.setdefault((energy.meter, energy.covers, idle), []).append(subject.name)
    found = []
    everyone = sum(len(result.subjects) for result in results)
    for why, each in names.items():
        whose = "every subject" if len(each) == everyone > 1 else listed(each)
        if len(why) == 1:
            found.append(f"Energy of {whose} is not told: {why[0]}.")
        else:
            meter, covers, idle = why
            found.append(f"Energy of {whose}: by {meter}, of {covers}, {idle}.")
    return found


def _figures(subject: NamedSubject) -> str:
    loop = subject.subject.closed_loop
    total = subject.total
    tail = f"p99 {number(total.p99.value)}" if total.p99 else f"max {number(total.max_ms)}"
    return (
        f"{number(total.p50.value)} ms a frame (p50; {tail}), "
        f"{number(loop.frames_per_second.value)} frames/s, "
        f"{accuracy_in_words(subject.subject.accuracy)}"
    )


def _ratio(result: BenchResult, ours: NamedSubject, other: NamedSubject) -> Interval | None:
    """How many times as fast the first is, with "same" and "unclear" as what is not above 1; None
    where they were not compared."""
    for found in result.comparisons:
        if (found.subject, found.baseline) == (ours.subject.name, other.subject.name):
            return _sure(found, found.ratio)
        if (found.subject, found.baseline) == (other.subject.name, ours.subject.name):
            ratio = found.ratio
            return _sure(found, Interval(1 / ratio.value, 1 / ratio.high, 1 / ratio.low))
    return None


def _sure(comparison: Comparison, ratio: Interval) -> Interval:
    if comparison.verdict in ("faster", "slower"):
        return ratio
    return Interval(ratio.value, min(ratio.low, 1.0), ratio.high)


def _most_accurate(best: NamedSubject, others: Sequence[NamedSubject]) -> list[str]:
    """Whoever reaches more than the fastest one on the same data; empty where nobody does."""
    accuracy = best.subject.accuracy
    rivals = [
        (each.subject.accuracy.mean, each)
        for each in others
        if accuracy is not None
        and accuracy.mean is not None
        and each.subject.accuracy is not None
        and each.subject.accuracy.mean is not None
        and yardstick(each.subject.accuracy) == yardstick(accuracy)
        and each.subject.accuracy.mean > accuracy.mean
    ]
    if not rivals:
        return []
    _, most = max(rivals, key=lambda each: (each[0], -each[1].total.p50.value))
    return [f"The most accurate is {most.name}: {_figures(most)}."]
