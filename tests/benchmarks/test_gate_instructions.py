"""Instructions of kernels: what is compared with what, and what fails."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import msgspec
import pytest
from gate import callgrind, instructions, sources
from gate.callgrind import Counts
from gate.instructions import Kept, compare, read_kept
from gate.sources import ROOT, Sources

HERE = Sources("1" * 40, "1" * 40)
ELSEWHERE = Sources("2" * 40, "2" * 40)
FIRST = Counts("GNU 12.2.0", "x86-64-v3", {"masks": 1000, "boxes": 100})


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    path = tmp_path / "instructions.json"
    path.write_bytes(msgspec.json.encode(Kept(ELSEWHERE, "2026-11-23", (FIRST,))))
    return path


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Counts]:
    """What a machine counts that has all it needs, build by build."""
    counts: list[Counts] = []
    monkeypatch.setattr(instructions, "sources_here", lambda: HERE)
    monkeypatch.setattr(callgrind, "missing", lambda: None)
    monkeypatch.setattr(callgrind, "build", lambda root, folder: folder)
    monkeypatch.setattr(callgrind, "count", lambda program: counts.pop(0))
    return counts


def counted(**cases: int) -> Counts:
    return msgspec.structs.replace(FIRST, cases=cases)


def test_a_kernel_fails_alone_that_grows_by_more_than_the_margin() -> None:
    found = compare(FIRST, counted(masks=1050, boxes=102), "")
    assert [each.passed for each in found.counts] == [False, True]
    told = found.counts[0].told()
    assert told.startswith("masks: 1,050 instructions, +5.0% of the 1,000 that were kept")
    assert instructions.KEEP in told


def test_kernels_that_are_new_or_gone_are_named() -> None:
    found = compare(FIRST, counted(masks=900, poses=7), "as told")
    assert [each.kernel for each in found.counts] == ["masks"]
    assert found.told == "x86-64-v3, as told; new: poses; gone: boxes"


def test_the_kernels_that_were_kept_are_built_by_the_same_compiler(
    kept: Path, built: list[Counts], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kept counts are of another compiler, and do not matter."""
    monkeypatch.setattr(instructions, "extract", lambda found, root: found == ELSEWHERE)
    newer = {"compiler": "GNU 15.1.0"}
    built += [
        msgspec.structs.replace(counted(masks=2000), **newer),
        msgspec.structs.replace(counted(masks=1990), **newer),
    ]
    found = instructions.check(kept)
    assert [(each.before, each.now) for each in found.counts] == [(1990, 2000)]
    assert found.told == "x86-64-v3, both built here by GNU 15.1.0; kept on 2026-11-23"


def test_a_shallow_clone_has_the_counts_that_were_kept(
    kept: Path, built: list[Counts], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instructions, "extract", lambda found, root: False)
    built.append(counted(masks=2000))
    assert [each.before for each in instructions.check(kept).counts] == [1000]
    built.append(Counts("Clang 19.1.0", "x86-64-v3", {"masks": 2000}))
    found = instructions.check(kept)
    assert found.counts == ()
    assert "nobody counted them with Clang 19.1.0 for x86-64-v3" in found.told


def test_kernels_as_they_were_kept_are_not_counted(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instructions, "sources_here", lambda: ELSEWHERE)
    assert instructions.check(kept).told == "not counted: the kernels are those kept on 2026-11-23"


def test_a_machine_without_valgrind_says_so(
    kept: Path, built: list[Counts], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callgrind, "missing", lambda: "no valgrind here")
    found = instructions.check(kept)
    assert found.told == "not counted, though the kernels have changed: no valgrind here"


def test_what_is_kept_takes_the_place_of_other_kernels_but_not_of_other_compilers(
    kept: Path, built: list[Counts]
) -> None:
    other = Counts("Clang 19.1.0", "x86-64-v3", {"masks": 900})
    built += [counted(masks=1100), other, counted(masks=1200)]
    for _ in range(3):
        instructions.keep(kept)
    found = read_kept(kept)
    assert found is not None
    assert found.sources == HERE
    assert found.counts == (other, counted(masks=1200))


def test_the_file_that_is_kept_can_be_read() -> None:
    found = read_kept()
    assert found is not None
    assert all(count > 0 for each in found.counts for count in each.cases.values())


@pytest.fixture(scope="module")
def counting_here() -> None:
    if (reason := callgrind.missing()) is not None:
        pytest.skip(reason)


@pytest.mark.slow
def test_a_kernel_that_is_slower_by_a_twentieth_fails(counting_here: None, tmp_path: Path) -> None:
    def with_steps(steps: int) -> Counts:
        program = callgrind.build(ROOT, tmp_path, f"-DEDGE_MTL_EXTRA_STEPS={steps}")
        return callgrind.count(program)

    name = "masks, uint8"
    before = with_steps(0)
    step = (with_steps(1000).cases[name] - before.cases[name]) / 1000
    assert 2 < step < 12
    for share, expected in ((0.01, []), (0.05, [name])):
        slowed = with_steps(round(share * before.cases[name] / step))
        found = compare(before, slowed, "")
        assert [each.kernel for each in found.counts if not each.passed] == expected
    assert slowed.cases["masks, float32"] == before.cases["masks, float32"]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_a_loop_that_lost_its_vectors_fails(
    counting_here: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From git to the verdict, with a mistake that no test of results can see."""
    root = tmp_path / "checkout"
    shutil.copytree(ROOT / "kernels", root / "kernels")
    (root / "benchmarks" / "gate").mkdir(parents=True)
    driver = "benchmarks/gate/counted_kernels.cpp"
    shutil.copy(ROOT / driver, root / driver)
    (root / "edge_mtl" / "export").mkdir(parents=True)
    subprocess.run(["git", "init", "-q", root], check=True)
    monkeypatch.setattr(sources, "ROOT", root)
    monkeypatch.setattr(instructions, "ROOT", root)
    here = sources.sources_here()
    assert here is not None
    path = tmp_path / "kept.json"
    path.write_bytes(msgspec.json.encode(Kept(here, "2026-11-23", ())))
    loop = root / "kernels" / "preprocess.cpp"
    text = loop.read_text()
    assert text.count("MULTIVERSION void blend_rows") == 1
    loop.write_text(text.replace("MULTIVERSION void blend_rows", "void blend_rows"))
    found = instructions.check(path)
    failed = [each.kernel for each in found.counts if not each.passed]
    assert failed == [f"preprocess, {dtype}" for dtype in ("uint8", "float32", "float16")]
    assert "both built here" in found.told
