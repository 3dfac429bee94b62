"""The folder of results: names, what is whole, what is refused, what is counted."""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path

import msgspec
import pytest

pytest.importorskip("pyarrow", reason="the extra batch is not installed")

from edge_mtl.bundle import Bundle
from edge_mtl.drives.place import Place
from edge_mtl.drives.result_folder import (
    MOST_TRIES,
    BatchRecord,
    FailureEntry,
    ResultFolder,
    result_name,
)
from edge_mtl.errors import EdgeMtlError


@pytest.fixture
def record(tiny_bundle: Bundle) -> BatchRecord:
    return BatchRecord.of(tiny_bundle, "tiny", "auto", "frame")


def test_names_are_readable_and_each_clip_has_its_own() -> None:
    clips = [
        *("/a/front.mp4", "/b/front.mp4", "/a/front.mkv", "/a/fr ont.mp4", "/a/fr_ont.mp4"),
        *("s3://a/front.mp4", "gs://a/front.mp4", f"/{'x' * 250}.mp4", "/a/...", "/a/\udcff.mp4"),
    ]
    made = [result_name(Place.parse(clip)) for clip in clips]
    assert len(set(made)) == len(clips)
    assert made[0].startswith("front.mp4-")
    assert made[3].startswith("fr_ont.mp4-")
    assert all(name.isascii() and len(name) < 120 and name[0] != "." for name in made)


def test_a_name_is_that_of_the_clip_whoever_reads_it_and_how() -> None:
    plain = result_name(Place.parse("s3://drives/a.mp4"))
    assert plain == "a.mp4-b92f34dabaeb7332.jsonl"
    assert plain == result_name(Place.parse("s3://KEY:SECRET@drives/a.mp4?region=eu-west-1"))


@pytest.mark.parametrize("prefix", ["", "file://"])
def test_a_result_is_there_when_it_is_whole(
    prefix: str, record: BatchRecord, tmp_path: Path
) -> None:
    (tmp_path / "lines").write_text("{}\n", encoding="utf-8")
    results = ResultFolder(f"{prefix}{tmp_path}/out/deep")
    with results.claimed(record):
        assert results.whole() == set()
        results.deliver(tmp_path / "lines", "a.jsonl")
        results.deliver(tmp_path / "lines", "a.jsonl")  # of a worker that was taken for dead
        assert results.whole() == {"a.jsonl"}
        assert results.is_whole("a.jsonl")
        assert not results.is_whole("b.jsonl")
    assert (tmp_path / "out/deep/scenes/a.jsonl").read_text(encoding="utf-8") == "{}\n"
    assert list((tmp_path / "out/deep/.parts").iterdir()) == []


def test_leftovers_go_and_results_stay(record: BatchRecord, tmp_path: Path) -> None:
    (tmp_path / "lines").write_text("{}\n", encoding="utf-8")
    results = ResultFolder(str(tmp_path / "out"))
    with results.claimed(record):
        results.deliver(tmp_path / "lines", "a.jsonl")
        assert results.begin("b.jsonl")
        (tmp_path / "out/.parts/half").touch()
    with results.claimed(record):
        assert results.whole() == {"a.jsonl"}
        assert list((tmp_path / "out/.parts").iterdir()) == []
        assert list((tmp_path / "out/.tries").iterdir()) == []


def test_a_folder_is_of_one_model_and_one_way_to_run_it(
    record: BatchRecord, tiny_bundle_8bit: Bundle, tmp_path: Path
) -> None:
    results = ResultFolder(str(tmp_path))
    with results.claimed(record):
        pass
    with results.claimed(msgspec.structs.replace(record, model="elsewhere/tiny.emtl")):
        pass
    for other in (
        BatchRecord.of(tiny_bundle_8bit, "tiny", "auto", "frame"),
        msgspec.structs.replace(record, engine="openvino"),
        msgspec.structs.replace(record, masks="network"),
    ):
        with (
            pytest.raises(EdgeMtlError, match=r"expected results of tiny .*choose another --out"),
            results.claimed(other),
        ):
            pytest.fail("it was let in")


def test_a_folder_of_something_else_is_left_alone(record: BatchRecord, tmp_path: Path) -> None:
    (tmp_path / "precious.doc").touch()
    results = ResultFolder(str(tmp_path))
    with (
        pytest.raises(EdgeMtlError, match=r"found precious\.doc and no batch\.json"),
        results.claimed(record),
    ):
        pytest.fail("it was let in")
    assert [path.name for path in tmp_path.iterdir()] == ["precious.doc"]
    (tmp_path / "batch.json").write_text("{", encoding="utf-8")
    with (
        pytest.raises(EdgeMtlError, match=r"batch\.json is damaged"),
        results.claimed(record),
    ):
        pytest.fail("it was let in")


def _hold(out: Path, record: BatchRecord, held: object, leave: object) -> None:
    with ResultFolder(str(out)).claimed(record):
        held.set()  # type: ignore[attr-defined]
        leave.wait(20)  # type: ignore[attr-defined]


def test_two_batches_do_not_share_a_folder_and_a_killed_one_leaves_it(
    record: BatchRecord, tmp_path: Path
) -> None:
    context = multiprocessing.get_context("fork")
    held, leave = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(tmp_path, record, held, leave))
    other.start()
    try:
        assert held.wait(20)
        with (
            pytest.raises(EdgeMtlError, match="another batch is at work in this folder"),
            ResultFolder(str(tmp_path)).claimed(record),
        ):
            pytest.fail("it was let in")
    finally:
        other.kill()
        other.join()
    with ResultFolder(str(tmp_path)).claimed(record):
        pass


def test_a_clip_at_which_workers_die_is_given_up(record: BatchRecord, tmp_path: Path) -> None:
    results = ResultFolder(str(tmp_path))
    with results.claimed(record):
        for _ in range(MOST_TRIES):
            assert results.begin("a.jsonl")
        assert not results.begin("a.jsonl")
        assert results.begin("b.jsonl")
        results.end("a.jsonl")
        assert results.begin("a.jsonl")


def test_lists_keep_what_they_say_of_other_clips(record: BatchRecord, tmp_path: Path) -> None:
    a, b = Place.parse("/drives/a.mp4"), Place.parse("/drives/b.mp4")
    results = ResultFolder(str(tmp_path))
    with results.claimed(record):
        for clips, failures in (
            ([a], [FailureEntry(a.name, "damaged")]),
            ([b], [FailureEntry(b.name, "empty")]),
            ([b], []),
        ):
            results.note_clips(clips)
            results.note_failures(failures, clips)

    def lines(name: str) -> list[dict[str, str]]:
        return [json.loads(line) for line in (tmp_path / name).read_text("utf-8").splitlines()]

    assert lines("failures.jsonl") == [{"clip": a.name, "reason": "damaged"}]
    assert lines("clips.jsonl") == [
        {"clip": clip.name, "result": f"scenes/{result_name(clip)}"} for clip in (a, b)
    ]


def test_a_folder_that_cannot_be_written_is_one_line(record: BatchRecord, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(EdgeMtlError, match=f"^{tmp_path}/file/out: "),
        ResultFolder(str(tmp_path / "file" / "out")).claimed(record),
    ):
        pytest.fail("it was let in")
