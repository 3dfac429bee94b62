"""One clip through a pipeline into its result: what a worker of a batch does, over and over."""

from __future__ import annotations

import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pyarrow.fs import FileSelector, FileSystem, FileType, LocalFileSystem, copy_files

from edge_mtl.data.images import IMAGE_SUFFIXES
from edge_mtl.drives.place import Place
from edge_mtl.drives.result_folder import MOST_TRIES, ResultFolder, result_name
from edge_mtl.drives.scratch import scratch
from edge_mtl.errors import EdgeMtlError
from edge_mtl.runtime.pipeline import Pipeline
from edge_mtl.runtime.sinks.json_lines import JsonLinesSink
from edge_mtl.runtime.sources import open_source
from edge_mtl.runtime.stream import Stream


@dataclass(frozen=True, slots=True)
class ClipOutcome:
    """What came of a clip.

    clip: its name.
    worker: host and process.
    failure: why there is no result; empty where there is one.
    frames: with a line in the result.
    skipped: pictures of it that could not be read.
    video_s: how long the clip plays.
    busy_s: how long the worker was at it, 0 where the result was there already.
    blocked: the failure is the worker's own: no clip will go through it.
    """

    clip: str
    worker: str
    failure: str = ""
    frames: int = 0
    skipped: int = 0
    video_s: float = 0.0
    busy_s: float = 0.0
    blocked: bool = False


def worker_name() -> str:
    """Of this process."""
    return f"{socket.gethostname()}:{os.getpid()}"


def run_clip(pipeline: Pipeline, clip: Place, results: ResultFolder) -> ClipOutcome:
    """Make the result of a clip, unless it is there: whole, or none and the reason.

    A clip that cannot be read, holds no frames or ends before its end is a failure. So is one at
    which `MOST_TRIES` workers died. Whatever happens to a clip is its outcome: nothing is raised.
    """
    start = time.perf_counter()
    name = result_name(clip)
    try:
        if results.is_whole(name):  # by a worker that died before it could say so
            return ClipOutcome(clip.name, worker_name())
        if not results.begin(name):
            return _failed(
                clip,
                f"{MOST_TRIES} workers died at it: its decoder crashes or it takes more memory "
                "than there is; the logs of Ray tell",
            )
        try:
            with scratch() as folder:
                frames, skipped, video_s = _stream(pipeline, clip, results, folder)
        finally:
            results.end(name)
    except EdgeMtlError as error:
        return _failed(clip, str(error).removeprefix(f"{clip.name}: "))
    except Exception as error:  # one clip does not end a night's work
        return _failed(clip, str(clip.refused(error)).removeprefix(f"{clip.name}: "))
    busy_s = time.perf_counter() - start
    return ClipOutcome(clip.name, worker_name(), "", frames, skipped, video_s, busy_s)


def _failed(clip: Place, reason: str) -> ClipOutcome:
    return ClipOutcome(clip.name, worker_name(), reason)


def _stream(
    pipeline: Pipeline, clip: Place, results: ResultFolder, folder: Path
) -> tuple[int, int, float]:
    """Frames, pictures skipped and the seconds that the clip plays."""
    local = Path(clip.key) if clip.is_local else _fetch(clip, folder)
    if not local.exists():
        raise EdgeMtlError("no such video or folder")
    lines = folder / "scenes.jsonl"
    try:
        source = open_source(str(local))
        report = Stream(source, [pipeline], [JsonLinesSink(str(lines), clip.name)]).run()
    except EdgeMtlError as error:
        # What the user knows is the clip, not the copy of it.
        raise EdgeMtlError(str(error).replace(str(local), clip.name)) from None
    if report.ended_by != "source":
        raise EdgeMtlError("the worker was told to end")
    if source.health.reason:
        raise EdgeMtlError(source.health.reason)
    results.deliver(lines, result_name(clip))
    frames = report.latency.frames
    return frames, report.skipped, (frames + report.skipped) / source.frames_per_second


def _fetch(clip: Place, folder: Path) -> Path:
    """Copy a clip of a store to this machine, for OpenCV reads files; nothing where there is none.

    Raises:
        EdgeMtlError: the store or the disk failed.
    """
    system, path = clip.open()
    copy = folder / (PurePosixPath(clip.key).name or "clip")
    try:
        kind = system.get_file_info(path).type
        if kind == FileType.File:
            _copy(system, path, copy)
        elif kind == FileType.Directory:
            copy.mkdir()
            for info in system.get_file_info(FileSelector(path)):
                if info.type == FileType.File and Path(info.path).suffix.lower() in IMAGE_SUFFIXES:
                    _copy(system, info.path, copy / info.base_name)
    except OSError as error:
        raise clip.refused(error) from None
    return copy


def _copy(system: FileSystem, path: str, copy: Path) -> None:
    copy_files(path, str(copy), source_filesystem=system, destination_filesystem=LocalFileSystem())
