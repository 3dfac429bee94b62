"""Clips from an S3 store and results into one, by a server on the loopback."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("cv2", reason="OpenCV, of the extra cpu, is not installed")
pytest.importorskip("onnxruntime", reason="the extra cpu is not installed")
pytest.importorskip("pyarrow", reason="the extra batch is not installed")

from pyarrow import fs

from edge_mtl.bundle import Bundle
from edge_mtl.drives.clip_run import run_clip
from edge_mtl.drives.clips import find_clips
from edge_mtl.drives.place import Place
from edge_mtl.drives.result_folder import BatchRecord, FailureEntry, ResultFolder, result_name
from edge_mtl.errors import EdgeMtlError
from edge_mtl.runtime.pipeline import Pipeline

SERVER = shutil.which("moto_server")
pytestmark = pytest.mark.skipif(
    SERVER is None, reason="moto_server is not on the PATH: pip install 'moto[s3]' flask flask-cors"
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, str]]:
    """An open store with the bucket "drives", and the options that addresses in it need."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("store") / "log"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [str(SERVER), "-H", "127.0.0.1", "-p", str(port)], stdout=output, stderr=output
        ) as server,
    ):
        try:
            deadline = time.monotonic() + 60
            while socket.socket().connect_ex(("127.0.0.1", port)) != 0:
                assert server.poll() is None, log.read_text()
                assert time.monotonic() < deadline, "the store does not answer"
                time.sleep(0.05)
            endpoint = {"endpoint_override": f"127.0.0.1:{port}", "scheme": "http"}
            system = fs.S3FileSystem(
                access_key="key",
                secret_key="hidden",
                region="us-east-1",
                allow_bucket_creation=True,
                **endpoint,
            )
            system.create_dir("drives")
            try:
                with system.open_output_stream("drives/probe") as probe:
                    probe.write(b"1")
                system.delete_file("drives/probe")
            except OSError as error:
                pytest.skip(
                    f"this moto_server takes no file from pyarrow, moto 5.2.5 does: {error}"
                )
            yield system, f"?region=us-east-1&scheme=http&endpoint_override=127.0.0.1:{port}"
        finally:
            server.kill()


def test_drives_come_from_a_store_and_results_go_there(
    store: tuple[Any, str],
    tiny_bundle: Bundle,
    make_drive: Callable[[Path, int], None],
    what_was_seen: Callable[[Path], list[dict[str, Any]]],
    tmp_path: Path,
) -> None:
    system, options = store
    make_drive(tmp_path / "here" / "night" / "a b#1.avi", 20)
    (tmp_path / "here" / "broken.mp4").write_bytes(b"no video")
    fs.copy_files(str(tmp_path / "here"), "drives/town", destination_filesystem=system)

    sources = f"s3://key:hidden@drives/town{options}"
    clips = find_clips(sources)
    assert [clip.name for clip in clips] == [
        "s3://drives/town/broken.mp4",
        "s3://drives/town/night/a b#1.avi",
    ]
    with system.open_output_stream("drives/list.txt") as file:
        file.write(b"town/night\ntown/broken.mp4\ntown/gone.mp4\n")
    listed = find_clips(f"s3://key:hidden@drives/list.txt{options}")
    assert listed[:2] == clips[::-1]

    results = ResultFolder(f"s3://key:hidden@drives/out/tiny{options}")
    record = BatchRecord.of(tiny_bundle, "tiny", "onnxruntime", "frame")
    with (
        results.claimed(record),
        Pipeline.from_bundle(tiny_bundle, "onnxruntime", threads=1) as pipeline,
    ):
        seen, broken, gone = (run_clip(pipeline, clip, results) for clip in listed)
        assert (seen.failure, seen.frames) == ("", 20)
        assert "expected a video" in broken.failure
        assert gone.failure == "no such video or folder"
        assert results.whole() == {result_name(listed[0])}
        assert run_clip(pipeline, listed[0], results).frames == 0  # it is there
        assert not any("hidden" in each.failure for each in (seen, broken, gone))
        results.note_clips(listed)
        results.note_failures([FailureEntry(broken.clip, broken.failure)], listed)

        here = ResultFolder(str(tmp_path / "out"))
        with here.claimed(record):
            local = Place.parse(str(tmp_path / "here" / "night" / "a b#1.avi"))
            run_clip(pipeline, local, here)
    fs.copy_files("drives/out", str(tmp_path / "fetched"), source_filesystem=system)
    [of_store] = (tmp_path / "fetched" / "tiny" / "scenes").iterdir()
    [of_disk] = (tmp_path / "out" / "scenes").iterdir()
    found, expected = what_was_seen(of_store), what_was_seen(of_disk)
    assert [{**scene, "camera": local.name} for scene in found] == expected
    kept = {path.name for path in (tmp_path / "fetched" / "tiny").iterdir()}
    assert {"batch.json", "clips.jsonl", "failures.jsonl", "scenes"} <= kept
    leftovers = system.get_file_info(fs.FileSelector("drives/out/tiny", recursive=True))
    assert not [
        each.path
        for each in leftovers
        if each.type == fs.FileType.File and ("/.parts/" in each.path or "/.tries/" in each.path)
    ]
    for secret in ("hidden", "endpoint"):
        assert not any(
            secret in path.read_text("utf-8")
            for path in (tmp_path / "fetched").rglob("*")
            if path.is_file()
        )


def test_a_store_that_does_not_let_in_is_one_line(store: tuple[Any, str]) -> None:
    _, options = store
    with pytest.raises(EdgeMtlError, match=r"^s3://none/drives: ") as refused:
        find_clips(f"s3://key:hidden@none/drives{options}")
    assert "hidden" not in str(refused.value)
    assert "\n" not in str(refused.value)
