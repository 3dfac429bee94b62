"""The sources of the kernels, named by their content and taken from git again."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from gate import sources
from gate.sources import Sources, extract, sources_here

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "checkout"
    for name in ("kernels/pool.cpp", "kernels/pool.h", "benchmarks/gate/counted_kernels.cpp"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    subprocess.run(["git", "init", "-q", root], check=True)
    monkeypatch.setattr(sources, "ROOT", root)
    return root


def test_what_is_not_committed_yet_is_found_again(checkout: Path, tmp_path: Path) -> None:
    before = sources_here()
    assert before is not None
    (checkout / "kernels" / "pool.cpp").write_text("slower")
    assert sources_here() != before
    assert extract(before, tmp_path / "kept")
    assert (tmp_path / "kept/kernels/pool.cpp").read_text() == "kernels/pool.cpp"
    assert (tmp_path / "kept/benchmarks/gate/counted_kernels.cpp").is_file()
    assert (tmp_path / "kept/edge_mtl/export").is_dir()


def test_the_index_of_the_user_stays_as_it_is(checkout: Path) -> None:
    sources_here()
    listed = subprocess.check_output(["git", "ls-files"], cwd=checkout)
    assert listed == b""


def test_a_commit_changes_nothing(checkout: Path) -> None:
    before = sources_here()
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", "add", "."], cwd=checkout, check=True)
    subprocess.run(["git", *who, "commit", "-qm", "a"], cwd=checkout, check=True)
    assert sources_here() == before


def test_what_git_does_not_hold_is_not_extracted(checkout: Path, tmp_path: Path) -> None:
    assert not extract(Sources("0" * 40, "0" * 40), tmp_path / "kept")


def test_no_git_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "ROOT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert sources_here() is None
