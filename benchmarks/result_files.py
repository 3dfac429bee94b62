"""What `make bench` leaves in `benchmarks/results/MACHINE/COMMIT.json`, and which of it is kept.

    python benchmarks/result_files.py      makes the folder and prints the path of a new result

Kept is what is committed. A machine is named after what decides about times, not after its host.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from checkout import commit, git
from rows import RESULTS

from edge_mtl.errors import EdgeMtlError
from edge_mtl.machine import Machine, gpus


class Stats(msgspec.Struct, frozen=True):
    """Seconds. data: of the rounds in order, or medians of parts of them (`spread`)."""

    median: float
    data: tuple[float, ...]


class Benchmark(msgspec.Struct, frozen=True):
    """A benchmark of a result. fullname: as pytest has it."""

    fullname: str
    stats: Stats
    extra_info: dict[str, Any]


class Commit(msgspec.Struct, frozen=True):
    """id: whole. dirty: whether the sources differed from it."""

    id: str
    dirty: bool


class _Content(msgspec.Struct, frozen=True):
    datetime: datetime
    commit_info: Commit
    benchmarks: tuple[Benchmark, ...]


class Result(msgspec.Struct, frozen=True):
    """A result of pytest-benchmark. made: when; benchmarks: by their full names."""

    path: Path
    made: datetime
    commit: Commit
    benchmarks: dict[str, Benchmark]

    @classmethod
    def read(cls, path: Path) -> Result:
        """Raises:
        EdgeMtlError: there is no such file, or it is no result.
        """
        try:
            found = msgspec.json.decode(path.read_bytes(), type=_Content)
        except (OSError, msgspec.DecodeError) as error:
            raise EdgeMtlError(
                f"{path}: expected a result of `make bench`, found {error}"
            ) from None
        by_name = {each.fullname: each for each in found.benchmarks}
        return cls(path, found.datetime, found.commit_info, by_name)


def machine_folder() -> Path:
    """Of this machine's results."""
    machine = Machine.here()
    words = [machine.processor, str(machine.cores), "cores", *(gpu.name for gpu in gpus())]
    return RESULTS / re.sub(r"[^a-z0-9]+", "-", " ".join(words).lower()).strip("-")


def result_here(folder: Path) -> Result:
    """The newest result of this checkout's commit, committed or not.

    Raises:
        EdgeMtlError: there is none yet.
    """
    head = git("rev-parse", "HEAD")
    found = [each for each in _results(folder.glob("*.json")) if [each.commit.id] == head]
    if not found:
        raise EdgeMtlError(
            f"expected a result of this checkout, found none of {commit()} in "
            f"benchmarks/results/{folder.name}; run `make bench` first"
        )
    return max(found, key=lambda each: each.made)


def last_kept(folder: Path, besides: Result) -> Result:
    """The result that was kept at the nearest commit before this one; where no kept one is of an
    earlier commit, as after a rebase, the newest. By git and by what the files say, not by their
    age on this disk.

    Raises:
        EdgeMtlError: none was kept yet.
    """
    kept = [RESULTS.parent / name for name in git("ls-files", "results/*/*.json") or ()]
    here = [path for path in kept if path.parent == folder and path != besides.path]
    found = _results(path for path in here if path.exists())
    if not found:
        others = sorted({path.parent.name for path in kept} - {folder.name})
        elsewhere = f"; kept are those of {', '.join(others)}" if others else ""
        raise EdgeMtlError(
            f"expected a kept result of this machine ({folder.name}), found none{elsewhere}; times "
            "of another machine say nothing here: commit a result of `make bench` to keep it"
        )
    newest_first = sorted(found, key=lambda each: each.made, reverse=True)
    since = {each.path: _commits_since(each.commit.id) for each in found}
    return min(newest_first, key=lambda each: since[each.path])


def _results(paths: Iterable[Path]) -> list[Result]:
    """Those of `make bench`; the gate's runs lie beside them."""
    return [Result.read(path) for path in paths if path.stem != "gate"]


def _commits_since(commit_id: str) -> float:
    """How many commits this one is after another; infinite where it is not."""
    if git("merge-base", "--is-ancestor", commit_id, "HEAD") is None:
        return math.inf
    return len(git("rev-list", f"{commit_id}..HEAD") or ())


if __name__ == "__main__":
    machine_folder().mkdir(parents=True, exist_ok=True)
    print(machine_folder() / f"{commit()}.json")
