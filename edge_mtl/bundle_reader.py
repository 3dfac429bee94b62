"""Read the files of a bundle, which somebody hostile may have made, from a folder or a zip.

Nothing is unpacked or followed. Before any contents are read it is known that they are plain files
and how large they may become, so that neither time nor memory goes beyond what the bundle's own
size on disk excuses. Stricter than `zipfile` alone, which reads what any tool wrote: only what
`Bundle.save` writes is expected here.
"""

from __future__ import annotations

import io
import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

MOST_FILES = 64
MOST_BYTES = 4 << 30
"""Of a whole bundle in memory. An ONNX graph of 2 GiB is the largest that can be."""

_ALWAYS_EXCUSED = 32 << 20
_MOST_EXPANSION = 20  # weights shrink by a tenth or two, a manifest to a fifth
_MOST_DIRECTORY_BYTES = 1 << 20

_EXPECTED_A_ZIP = (
    "expected an .emtl bundle, found a file that is no zip or was damaged or truncated"
)
_END = struct.Struct("<4s4H2IH")
_END_OF_64 = struct.Struct("<4sIQI")
_LOCAL_HEADER_BYTES = 30
_ALLOWED_FLAGS = 0x2 | 0x4 | 0x8 | 0x800  # how hard it was compressed, sizes behind it, UTF-8

_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,126}")
_DEVICE = re.compile(r"(CON|PRN|AUX|NUL|COM[0-9]|LPT[0-9])(\..*)?", re.IGNORECASE)


class RefusedError(Exception):
    """What was expected of a bundle and what was found, without its path."""


class Reader(Protocol):
    """The files of a bundle.

    most_bytes: how large all of them together may become in memory.
    """

    most_bytes: int

    def read(self, name: str, most_bytes: int) -> bytes | None:
        """The contents of a file; None where there is none.

        Raises:
            RefusedError: it is no plain file, is larger than `most_bytes`, or is damaged.
        """

    def names(self) -> frozenset[str]:
        """All that may be read; those of a folder, which may hold other things, are not known."""


@contextmanager
def open_reader(path: Path) -> Iterator[Reader]:
    """A reader of the folder or the zip at `path`.

    Raises:
        RefusedError: it is neither, or a zip of another kind than `Bundle.save` writes.
        OSError: it cannot be opened.
    """
    # A FIFO would keep an open for reading waiting until somebody writes.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = os.fstat(descriptor)
        if stat.S_ISDIR(found.st_mode):
            yield _FolderReader(descriptor)
        elif stat.S_ISREG(found.st_mode):
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                with _zip_errors(_EXPECTED_A_ZIP):
                    reader = _ZipReader(file, found.st_size)
                yield reader
        else:
            raise RefusedError("expected an .emtl file or a folder, found a device or a pipe")
    finally:
        os.close(descriptor)


def reader_of(data: bytes) -> Reader:
    """A reader of a zip that is in memory, as one bundle lies in another.

    Raises:
        RefusedError: as of `open_reader`.
    """
    with _zip_errors(_EXPECTED_A_ZIP):
        return _ZipReader(io.BytesIO(data), len(data))


def is_plain_name(name: str) -> bool:
    """Whether a file of this name stays in its folder on any system, and is a file there."""
    fits = _PLAIN_NAME.fullmatch(name) is not None and not name.endswith(".")
    return fits and _DEVICE.fullmatch(name) is None


class _FolderReader:
    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.most_bytes = MOST_BYTES

    def names(self) -> frozenset[str]:
        return frozenset()

    def read(self, name: str, most_bytes: int) -> bytes | None:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            # From the folder that was opened: nobody can put another in its place meanwhile.
            file = os.open(name, flags, dir_fd=self._descriptor)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise RefusedError(
                f"expected {name} to be a plain file, found a link or one that cannot be read "
                f"({error.strerror})"
            ) from None
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode):
            os.close(file)
            raise RefusedError(f"expected {name} to be a plain file, found a folder or a pipe")
        with os.fdopen(file, "rb") as opened:
            if found.st_size > most_bytes:
                raise RefusedError(
                    f"expected {name} to be of at most {most_bytes} bytes, found {found.st_size}"
                )
            return opened.read(most_bytes)


class _ZipReader:
    def __init__(self, file: BinaryIO, size: int) -> None:
        _check_end(file, size)
        self._archive = zipfile.ZipFile(file)
        entries = self._archive.infolist()
        self._entries = {entry.filename: entry for entry in entries}
        self.most_bytes = min(MOST_BYTES, max(_ALWAYS_EXCUSED, _MOST_EXPANSION * size))
        for name in self._entries:
            times = sum(entry.filename == name for entry in entries)
            if times > 1:
                raise RefusedError(f"expected every file once, found {name!r} in it {times} times")
        end = 0
        for entry in sorted(entries, key=lambda each: each.header_offset):
            _check_entry(entry)
            if entry.header_offset < end:
                raise RefusedError(
                    f"expected files side by side, found {entry.filename} overlapping"
                )
            end = entry.header_offset + _LOCAL_HEADER_BYTES + entry.compress_size
        if end > size or sum(entry.file_size for entry in entries) > self.most_bytes:
            raise RefusedError(
                f"expected at most {self.most_bytes} bytes of files in {size} bytes, found "
                f"{sum(entry.file_size for entry in entries)}: it is damaged, or a zip bomb"
            )

    def names(self) -> frozenset[str]:
        return frozenset(self._entries)

    def read(self, name: str, most_bytes: int) -> bytes | None:
        entry = self._entries.get(name)
        if entry is None:
            return None
        if entry.file_size > most_bytes:
            raise RefusedError(
                f"expected {name} to be of at most {most_bytes} bytes, found {entry.file_size}"
            )
        with (
            _zip_errors(f"expected {name} whole, found it damaged"),
            self._archive.open(entry) as file,
        ):
            return file.read(most_bytes)


@contextmanager
def _zip_errors(message: str) -> Iterator[None]:
    """Turn all that a damaged zip makes `zipfile` raise into `RefusedError`, with its reason."""
    try:
        yield
    except (
        *(zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, struct.error),
        # RuntimeError is also what a compression raises that zipfile does not know.
        *(EOFError, RuntimeError, ValueError, OverflowError),
    ) as error:
        raise RefusedError(f"{message} ({error})") from None


def _check_end(file: BinaryIO, size: int) -> None:
    """Refuse a directory that is larger than a bundle's before `zipfile` reads it whole."""
    at_most = _END.size + _END_OF_64.size
    file.seek(max(0, size - at_most))
    tail = file.read(at_most)
    if len(tail) < _END.size:
        raise zipfile.BadZipFile("too short")
    magic, *_, entries, directory_bytes, offset, comment_bytes = _END.unpack(tail[-_END.size :])
    if magic != b"PK\5\6" or comment_bytes:
        raise zipfile.BadZipFile("it does not end as one")
    if tail[: -_END.size].startswith(b"PK\6\7") or entries > MOST_FILES:
        raise RefusedError(f"expected at most {MOST_FILES} files in it, found {entries} or more")
    if directory_bytes > _MOST_DIRECTORY_BYTES:
        raise RefusedError(
            f"expected a list of files of at most {_MOST_DIRECTORY_BYTES} bytes, found "
            f"{directory_bytes}"
        )
    if offset + directory_bytes + _END.size != size:
        raise zipfile.BadZipFile("its list of files is not where it says")


def _check_entry(entry: zipfile.ZipInfo) -> None:
    name = entry.orig_filename  # `filename` ends at a NUL
    if not is_plain_name(name):
        raise RefusedError(f"expected plain file names, found {name[:80]!r}")
    kind = entry.external_attr >> 16
    if stat.S_IFMT(kind) not in (0, stat.S_IFREG):
        raise RefusedError(f"expected {name} to be a plain file, found a link or a device")
    if entry.flag_bits & ~_ALLOWED_FLAGS:
        raise RefusedError(
            f"expected {name} to be readable as it is, found it encrypted or patched"
        )
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise RefusedError(
            f"expected {name} to be stored or deflated, found compression {entry.compress_type}"
        )
