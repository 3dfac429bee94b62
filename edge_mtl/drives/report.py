"""`BatchReport`: what a batch did, in figures, a table and JSON."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edge_mtl.drives.clip_run import ClipOutcome
from edge_mtl.drives.result_folder import FailureEntry

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True, slots=True)
class BatchReport:
    """What came of the clips of one run.

    found: how many clips the sources have.
    already: how many of these had their result before.
    elapsed_s: from the first request for workers to the last outcome.
    outcomes: of the others.
    """

    found: int
    already: int
    elapsed_s: float
    outcomes: tuple[ClipOutcome, ...]

    @property
    def done(self) -> tuple[ClipOutcome, ...]:
        """The clips that have a result now and had none before."""
        return tuple(each for each in self.outcomes if not each.failure)

    @property
    def failures(self) -> tuple[FailureEntry, ...]:
        """The clips that have none, by their names."""
        failed = [FailureEntry(each.clip, each.failure) for each in self.outcomes if each.failure]
        return tuple(sorted(failed, key=lambda entry: entry.clip))

    @property
    def frames(self) -> int:
        return sum(each.frames for each in self.done)

    @property
    def frames_per_second(self) -> float:
        """Of all workers together."""
        return self.frames / self.elapsed_s if self.frames else 0.0

    @property
    def video_s(self) -> float:
        """How long the clips play that are done now."""
        return sum(each.video_s for each in self.done)

    def by_worker(self) -> dict[str, list[ClipOutcome]]:
        """The outcomes of every worker."""
        workers: dict[str, list[ClipOutcome]] = {}
        for outcome in self.outcomes:
            workers.setdefault(outcome.worker, []).append(outcome)
        return dict(sorted(workers.items()))

    def to_json(self) -> dict[str, Any]:
        """Plain numbers and strings, rounded to what a clock can tell."""
        return {
            "clips": {
                "found": self.found,
                "already": self.already,
                "done": len(self.done),
                "failed": len(self.failures),
            },
            "frames": self.frames,
            "elapsed_s": round(self.elapsed_s, 3),
            "fps": round(self.frames_per_second, 2),
            "video_hours": round(self.video_s / 3600, 5),
            "workers": {name: _figures(each) for name, each in self.by_worker().items()},
            "failures": [{"clip": each.clip, "reason": each.reason} for each in self.failures],
        }

    def line(self) -> str:
        """What came of the clips, and how fast they went through."""
        speed = self.video_s / self.elapsed_s if self.outcomes else 0.0
        return (
            f"{self.found} clips: {len(self.done)} done, {self.already} already there, "
            f"{len(self.failures)} failed; {self.video_s / 3600:.2f} h of video, {speed:.1f} times "
            "as fast as it plays"
        )

    def table(self) -> Table:
        """A table for the terminal: a row a worker, all together below."""
        from rich.table import Table

        table = Table(
            caption=f"{self.frames} frames in {self.elapsed_s:.1f} s: "
            f"{self.frames_per_second:.1f} frames/s",
            caption_justify="left",
        )
        table.add_column("worker")
        for column in ("clips", "frames", "frames/s", "failed"):
            table.add_column(column, justify="right")
        for name, outcomes in self.by_worker().items():
            figures = _figures(outcomes)
            fps = f"{figures['fps']:.1f}"
            shown = (figures["clips"], figures["frames"], fps, figures["failed"])
            table.add_row(name, *map(str, shown))
        return table


def _figures(outcomes: Iterable[ClipOutcome]) -> dict[str, int | float]:
    """Of one worker; `fps` is over the time that it was at clips that it finished."""
    done = [each for each in outcomes if not each.failure]
    frames = sum(each.frames for each in done)
    busy_s = sum(each.busy_s for each in done)
    return {
        "clips": len(done),
        "failed": sum(1 for each in outcomes if each.failure),
        "frames": frames,
        "busy_s": round(busy_s, 3),
        "fps": round(frames / busy_s, 2) if busy_s else 0.0,
    }
