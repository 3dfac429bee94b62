"""Whether a kernel takes more instructions than those that were kept.

Both are counted in the same run, by the same compiler: the kernels that were kept are taken from
git by their content. Where git does not have them, as in a shallow clone, they stand for themselves
by the counts that were kept with them, of the same compiler and instruction set.
"""

from __future__ import annotations

import tempfile
from datetime import datetime, timezone
from pathlib import Path

import msgspec
from rows import RESULTS

from edge_mtl.errors import EdgeMtlError
from edge_mtl.train.whole_file import write_whole
from gate import callgrind
from gate.callgrind import Counts
from gate.sources import ROOT, Sources, extract, sources_here

KEPT = RESULTS / "instructions.json"
MARGIN = 0.03
"""By so much of its instructions a kernel may grow."""
KEEP = "python benchmarks/run_gate.py keep"


class Kept(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The kernels that others are held against. day: on which they were kept, as 2026-11-23.

    counts: one for a compiler and an instruction set.
    """

    sources: Sources
    day: str
    counts: tuple[Counts, ...]

    def counts_like(self, other: Counts) -> Counts | None:
        """Those of the same compiler and instruction set."""
        key = other.compiler, other.level
        return next((each for each in self.counts if (each.compiler, each.level) == key), None)


class KernelCount(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The instructions of one kernel, as it was kept and as it is now."""

    kernel: str
    before: int
    now: int

    @property
    def growth(self) -> float:
        return self.now / self.before - 1

    @property
    def passed(self) -> bool:
        return self.growth <= MARGIN

    def told(self) -> str:
        """What is wrong and what to do, in a line."""
        return (
            f"{self.kernel}: {self.now:,} instructions, {self.growth:+.1%} of the {self.before:,} "
            f"that were kept (at most {MARGIN:+.0%}); make it cheaper, or accept it with `{KEEP}`"
        )


class InstructionsFound(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """told: what was compared with what, or why nothing was."""

    told: str
    counts: tuple[KernelCount, ...] = ()


def read_kept(path: Path = KEPT) -> Kept | None:
    """What was kept last; None where nothing ever was."""
    return msgspec.json.decode(path.read_bytes(), type=Kept) if path.exists() else None


def keep(path: Path = KEPT) -> Kept:
    """Count the kernels of this checkout and keep them: from now on others are held against them.

    Raises:
        EdgeMtlError: nothing can be counted here, or there is no git to name them.
    """
    sources = sources_here()
    if (reason := callgrind.missing()) is not None or sources is None:
        raise EdgeMtlError(f"expected valgrind, a compiler and git, found {reason or 'no git'}")
    with tempfile.TemporaryDirectory() as folder:
        counts = callgrind.count(callgrind.build(ROOT, Path(folder)))
    kept = read_kept(path)
    others = kept.counts if kept is not None and kept.sources == sources else ()
    key = counts.compiler, counts.level
    others = tuple(each for each in others if (each.compiler, each.level) != key)
    day = datetime.now(timezone.utc).date().isoformat()
    kept = Kept(sources, day, (*others, counts))
    write_whole(path, msgspec.json.format(msgspec.json.encode(kept)) + b"\n")
    return kept


def check(path: Path = KEPT) -> InstructionsFound:
    """Count the kernels of this checkout and those that were kept, where they differ."""
    kept = read_kept(path)
    if kept is None:
        return InstructionsFound(f"not counted: nothing was kept yet; `{KEEP}` does it")
    if sources_here() == kept.sources:
        return InstructionsFound(f"not counted: the kernels are those kept on {kept.day}")
    if (reason := callgrind.missing()) is not None:
        return InstructionsFound(f"not counted, though the kernels have changed: {reason}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        now = callgrind.count(callgrind.build(ROOT, folder / "now"))
        if extract(kept.sources, folder / "kept"):
            before = callgrind.count(callgrind.build(folder / "kept", folder / "before"))
            return compare(before, now, f"both built here by {now.compiler}; kept on {kept.day}")
    return against_kept_counts(kept, now)


def against_kept_counts(kept: Kept, now: Counts) -> InstructionsFound:
    """Compare with what the kernels took when they were kept."""
    before = kept.counts_like(now)
    if before is None:
        return InstructionsFound(
            f"not compared: git does not have the kernels kept on {kept.day} (a shallow clone?) "
            f"and nobody counted them with {now.compiler} for {now.level}"
        )
    return compare(before, now, f"counted when they were kept on {kept.day}, {now.compiler}")


def compare(before: Counts, now: Counts, how: str) -> InstructionsFound:
    """Kernel by kernel; new ones have nothing to be compared with."""
    counts = tuple(
        KernelCount(kernel, before.cases[kernel], found)
        for kernel, found in now.cases.items()
        if kernel in before.cases
    )
    new = [kernel for kernel in now.cases if kernel not in before.cases]
    gone = [kernel for kernel in before.cases if kernel not in now.cases]
    more = "".join(
        f"; {what}: {', '.join(names)}" for what, names in (("new", new), ("gone", gone)) if names
    )
    return InstructionsFound(f"{now.level}, {how}{more}", counts)
