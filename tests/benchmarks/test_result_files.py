"""Which result is compared with which."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import checkout
import pytest
import result_files
from result_files import Result, last_kept, machine_folder, result_here

from edge_mtl.errors import EdgeMtlError

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")


class Repository:
    """A checkout with `benchmarks/results/box`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / "benchmarks" / "results" / "box"
        self.folder.mkdir(parents=True)
        self.git("init", "-q", ".")
        self.git("config", "user.name", "a")
        self.git("config", "user.email", "a@b")

    def git(self, *words: str) -> str:
        return subprocess.check_output(["git", *words], cwd=self.root, text=True).strip()

    def commit(self) -> str:
        self.git("add", ".")
        self.git("commit", "-q", "--allow-empty", "-m", "a")
        return self.git("rev-parse", "HEAD")

    def write(self, name: str, commit: str, day: int, machine: str = "box") -> Path:
        path = self.folder.parent / machine / f"{name}.json"
        path.parent.mkdir(exist_ok=True)
        content = {
            "datetime": f"2026-11-{day:02}T12:00:00+00:00",
            "commit_info": {"id": commit, "dirty": False},
            "benchmarks": [],
        }
        path.write_text(json.dumps(content))
        return path


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    made = Repository(tmp_path)
    monkeypatch.setattr(checkout, "_HERE", tmp_path / "benchmarks")
    monkeypatch.setattr(result_files, "RESULTS", made.folder.parent)
    return made


def test_the_nearest_earlier_commit_is_taken_whatever_the_files_dates(
    repository: Repository,
) -> None:
    first = repository.commit()
    oldest = repository.write("first", first, day=20)  # measured again later
    second = repository.commit()
    nearest = repository.write("second", second, day=10)
    repository.write("elsewhere", "0" * 40, day=25)
    head = repository.commit()
    (repository.folder / "gate.json").write_text("{}")
    repository.write("now-older", head, day=11)
    now = repository.write("now", head, day=12)
    os.utime(oldest, (2e9, 2e9))
    os.utime(now, (1, 1))
    here = result_here(repository.folder)
    assert here.path == now
    assert last_kept(repository.folder, here).path == nearest


def test_after_a_rebase_the_newest_by_its_own_date_is_taken(repository: Repository) -> None:
    older = repository.write("a", "1" * 40, day=10)
    newer = repository.write("b", "2" * 40, day=11)
    os.utime(older, (2e9, 2e9))
    head = repository.commit()
    now = Result.read(repository.write("now", head, day=12))
    assert last_kept(repository.folder, now).path == newer


def test_what_is_not_committed_is_not_kept(repository: Repository) -> None:
    head = repository.commit()
    repository.write("other", "1" * 40, day=10, machine="board")
    repository.commit()
    repository.write("loose", head, day=10)
    now = Result.read(repository.write("now", head, day=12))
    with pytest.raises(EdgeMtlError, match=r"\(box\), found none; kept are those of board; times"):
        last_kept(repository.folder, now)


def test_without_a_result_of_this_commit_it_says_what_to_run(repository: Repository) -> None:
    repository.write("first", repository.commit(), day=10)
    repository.commit()
    with pytest.raises(EdgeMtlError, match=r"expected a result of this checkout.*`make bench`"):
        result_here(repository.folder)


def test_another_file_is_no_result(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"benchmarks": []}')
    with pytest.raises(EdgeMtlError, match=r"a\.json: expected a result of `make bench`"):
        Result.read(path)


def test_a_machine_keeps_its_name() -> None:
    assert machine_folder() == machine_folder()
    assert machine_folder().name.strip("-").replace("-", "").isalnum()


def test_a_run_leaves_what_a_comparison_needs(tmp_path: Path) -> None:
    """And nothing of whose machine it was."""
    path = tmp_path / "result.json"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    limits = ["--benchmark-max-time=0.02", "--benchmark-min-rounds=200"]
    chosen = ["benchmarks/bench_preprocess.py", "-k", "1-float32", f"--benchmark-json={path}"]
    done = subprocess.run([*command, *limits, *chosen], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    found = Result.read(path)
    ours, theirs = found.benchmarks.values()
    assert all(4 <= len(each.stats.data) <= 60 for each in (ours, theirs))
    assert theirs.extra_info["rival"] == "OpenCV blobFromImage"
    ratio = theirs.extra_info["ratio"]
    assert theirs.extra_info["interval"]["low"] <= ratio * 1.5
    content = json.loads(path.read_text())
    assert {"node", "project", "branch"}.isdisjoint(
        {*content["machine_info"], *content["commit_info"]}
    )
