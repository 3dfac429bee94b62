"""`ResultFolder`: where a batch leaves one whole file a clip, wherever workers die."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TypeVar

import msgspec
from pyarrow.fs import FileSelector, FileType

from edge_mtl.bundle import Bundle
from edge_mtl.drives.place import Place
from edge_mtl.errors import EdgeMtlError

MOST_TRIES = 3
"""How many workers may die at a clip: the first two may have been killed for another's fault."""

_RECORD, _CLIPS, _FAILURES = "batch.json", "clips.jsonl", "failures.jsonl"
_RESULTS, _PARTS, _TRIES, _LOCK = "scenes", ".parts", ".tries", ".lock"
_READABLE = 80
_COPY_BYTES = 1 << 20


class BatchRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What all results of a folder were made with: `batch.json`."""

    version: int = 1
    model: str
    sha256: str
    engine: str
    masks: str

    @classmethod
    def of(cls, bundle: Bundle, model: str, engine: str, masks: str) -> BatchRecord:
        """sha256: over what the bundle does, its spec and the hashes of its files."""
        does = msgspec.json.encode((bundle.spec, bundle.manifest.files), order="deterministic")
        return cls(model=model, sha256=hashlib.sha256(does).hexdigest(), engine=engine, masks=masks)

    def __str__(self) -> str:
        return f"{self.model} (sha256 {self.sha256[:12]}, engine {self.engine}, masks {self.masks})"


class ClipEntry(msgspec.Struct, frozen=True):
    """A line of `clips.jsonl`: which file of the folder is the result of a clip, once it is."""

    clip: str
    result: str


class FailureEntry(msgspec.Struct, frozen=True):
    """A line of `failures.jsonl`."""

    clip: str
    reason: str


_Entry = TypeVar("_Entry", ClipEntry, FailureEntry)


def result_name(clip: Place) -> str:
    """The name of a clip's result: readable, and another one for every other clip.

    It is of the clip's address alone, so that it is the same in every run and on every machine.
    """
    readable = re.sub(r"[^A-Za-z0-9._-]+", "_", PurePosixPath(clip.key).name)[-_READABLE:]
    digest = hashlib.sha256(clip.name.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return f"{readable.lstrip('.') or 'clip'}-{digest}.jsonl"


class ResultFolder:
    """A folder of results, on this machine, on a disk that all workers share, or in a store.

    A result is written under another name and moved to its own when it is whole: one that is
    there is whole, and moving a second one of the same clip over it changes nothing.

    Args:
        out: what `Place.parse` takes.

    Raises:
        EdgeMtlError: from every method, where the folder cannot be read or written.
    """

    def __init__(self, out: str) -> None:
        self.place = Place.parse(out)
        self._system, self._base = self.place.open()

    @contextmanager
    def claimed(self, record: BatchRecord) -> Iterator[None]:
        """Have the folder for the one batch that is at work in it; its leftovers are cleared away.

        That a second batch is kept out holds for files of this machine only, not for stores.

        Raises:
            EdgeMtlError: it holds results of another model or of other settings, something that
                is no result, or another batch is at work in it.
        """
        with self._refusing():
            self._check(record)
            self._system.create_dir(self._base, recursive=True)
        with self._locked():
            with self._refusing():
                for folder in (_PARTS, _TRIES):
                    if self._type(folder) == FileType.Directory:
                        self._system.delete_dir(self._path(folder))
                    self._system.create_dir(self._path(folder))
                self._write(_RECORD, msgspec.json.format(msgspec.json.encode(record)) + b"\n")
                self._system.create_dir(self._path(_RESULTS))
            yield

    def whole(self) -> set[str]:
        """The names of all results that are there."""
        with self._refusing():
            files = self._system.get_file_info(
                FileSelector(self._path(_RESULTS), allow_not_found=True)
            )
        return {file.base_name for file in files if file.type == FileType.File}

    def is_whole(self, name: str) -> bool:
        """Whether one result is there."""
        with self._refusing():
            return bool(self._type(f"{_RESULTS}/{name}") == FileType.File)

    def deliver(self, file: Path, name: str) -> None:
        """Make a finished file the result of that name."""
        part = self._path(f"{_PARTS}/{uuid.uuid4().hex}")
        with self._refusing():
            with file.open("rb") as read, self._system.open_output_stream(part) as written:
                shutil.copyfileobj(read, written, _COPY_BYTES)
            if self.place.is_local:
                _to_disk(Path(part))
            self._system.move(part, self._path(f"{_RESULTS}/{name}"))

    def begin(self, name: str) -> bool:
        """Note that a worker starts with a clip; False where `MOST_TRIES` have and never ended."""
        with self._refusing():
            tries = self._tries(name)
            before = self._system.get_file_info(tries)
            for path, info in zip(tries, before, strict=True):
                if info.type == FileType.NotFound:
                    self._system.open_output_stream(path).close()
                    return True
        return False

    def end(self, name: str) -> None:
        """Note that a worker came to the end of a clip, be it a result or a failure."""
        with self._refusing():
            for info in self._system.get_file_info(self._tries(name)):
                if info.type == FileType.File:
                    self._system.delete_file(info.path)

    def note_clips(self, clips: Iterable[Place]) -> None:
        """Write `clips.jsonl`, beside what it says of the clips of earlier runs."""
        new = [ClipEntry(clip.name, f"{_RESULTS}/{result_name(clip)}") for clip in clips]
        self._merge(_CLIPS, ClipEntry, new, {entry.clip for entry in new})

    def note_failures(self, failures: Iterable[FailureEntry], clips: Iterable[Place]) -> None:
        """Write `failures.jsonl`, beside what it says of clips that are not among `clips`."""
        self._merge(_FAILURES, FailureEntry, list(failures), {clip.name for clip in clips})

    def _merge(self, name: str, kind: type[_Entry], new: list[_Entry], replaced: set[str]) -> None:
        with self._refusing():
            entries: list[_Entry] = []
            if self._type(name) == FileType.File:
                with self._system.open_input_stream(self._path(name)) as file:
                    entries = msgspec.json.Decoder(kind).decode_lines(file.read())
            entries = [each for each in entries if each.clip not in replaced] + new
            self._write(name, msgspec.json.Encoder().encode_lines(entries))

    def _check(self, record: BatchRecord) -> None:
        entries = self._system.get_file_info(FileSelector(self._base, allow_not_found=True))
        names = {entry.base_name for entry in entries}
        if _RECORD not in names:
            others = {name for name in names if not name.startswith(".")}
            if others:
                raise EdgeMtlError(
                    f"{self.place.name}: expected an empty folder or one of an earlier batch, "
                    f"found {min(others)} and no {_RECORD}; choose another --out"
                )
            return
        try:
            with self._system.open_input_stream(self._path(_RECORD)) as file:
                found = msgspec.json.decode(file.read(), type=BatchRecord)
        except msgspec.DecodeError as error:
            raise EdgeMtlError(
                f"{self.place.name}: {_RECORD} is damaged ({error}); choose another --out"
            ) from None
        if found != msgspec.structs.replace(record, model=found.model):
            raise EdgeMtlError(
                f"{self.place.name}: expected results of {record}, found those of {found}; choose "
                "another --out, or remove this one to start over"
            )

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """The lock goes with the process, however it ends."""
        if not self.place.is_local:
            yield
            return
        with self._refusing():
            descriptor = os.open(self._path(_LOCK), os.O_RDWR | os.O_CREAT, 0o666)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise EdgeMtlError(
                    f"{self.place.name}: another batch is at work in this folder; let it end, or "
                    "choose another --out"
                ) from None
            yield
        finally:
            os.close(descriptor)

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self.place.refused(error) from None

    def _write(self, name: str, data: bytes) -> None:
        part = self._path(f"{_PARTS}/{uuid.uuid4().hex}")
        with self._system.open_output_stream(part) as file:
            file.write(data)
        self._system.move(part, self._path(name))

    def _path(self, name: str) -> str:
        return f"{self._base}/{name}"

    def _type(self, name: str) -> FileType:
        return self._system.get_file_info(self._path(name)).type

    def _tries(self, name: str) -> list[str]:
        return [self._path(f"{_TRIES}/{name}.{number}") for number in range(MOST_TRIES)]


def _to_disk(path: Path) -> None:
    """Before it gets its name: after a power cut a result is whole or not there."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
