"""Bundles that somebody made to do harm: refused in one line, within little memory and time, with
nothing run, followed or written."""

from __future__ import annotations

import bz2
import json
import os
import re
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from edge_mtl.bundle import MANIFEST, NETWORK, SIGNATURE, Bundle

ROOM_BYTES = 256 << 20  # beyond what the process has when it starts to read
SECONDS_EACH = 5
BOMB_BYTES = 2 << 30

Files = dict[str, bytes]


@dataclass(frozen=True)
class Entry:
    """A file of a zip as its headers are to say, true or not."""

    name: bytes
    data: bytes
    size: int | None = None
    method: int = 0
    flags: int = 0
    attributes: int = 0o100644 << 16
    local_name: bytes | None = None
    extra: bytes = b""
    offset: int | None = None


def craft(entries: list[Entry], *, count: int | None = None, comment: bytes = b"") -> bytes:
    """A zip of entries, byte by byte, for what `zipfile` would not write."""
    body, directory = bytearray(), bytearray()
    for entry in entries:
        size = len(entry.data) if entry.size is None else entry.size
        crc = zlib.crc32(entry.data)
        common = struct.pack(
            "<5H3I", 20, entry.flags, entry.method, 0, 0x21, crc, len(entry.data), size
        )
        local_name = entry.name if entry.local_name is None else entry.local_name
        offset = len(body) if entry.offset is None else entry.offset
        body += b"PK\3\4" + common + struct.pack("<2H", len(local_name), 0) + local_name
        body += entry.data
        directory += b"PK\1\2" + struct.pack("<H", 3 << 8 | 20) + common
        directory += struct.pack("<5H", len(entry.name), len(entry.extra), 0, 0, 0)
        directory += struct.pack("<2I", entry.attributes, offset) + entry.name + entry.extra
    number = len(entries) if count is None else count
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, number, number, len(directory), len(body), 0)
    return bytes(body + directory + end[:-2] + struct.pack("<H", len(comment)) + comment)


def entries_of(files: Files) -> list[Entry]:
    return [Entry(name.encode(), data) for name, data in files.items()]


def with_entry(name: str, **changes: Any) -> Callable[[Files], bytes]:
    """A good bundle with one entry changed."""

    def make(files: Files) -> bytes:
        entries = entries_of(files)
        return craft([replace(e, **changes) if e.name == name.encode() else e for e in entries])

    return make


def beside(*entries: Entry) -> Callable[[Files], bytes]:
    """A good bundle with more entries."""
    return lambda files: craft([*entries_of(files), *entries])


def with_manifest(**changes: Any) -> Callable[[Files], bytes]:
    def make(files: Files) -> bytes:
        manifest = json.dumps({**json.loads(files[MANIFEST]), **changes}).encode()
        return craft(entries_of({**files, MANIFEST: manifest}))

    return make


def with_manifest_text(old: str, new: str) -> Callable[[Files], bytes]:
    def make(files: Files) -> bytes:
        text = files[MANIFEST].decode()
        assert old in text
        return craft(entries_of({**files, MANIFEST: text.replace(old, new).encode()}))

    return make


def listed(**sizes: int) -> dict[str, Any]:
    entries = {name: {"bytes": size, "sha256": "0" * 64} for name, size in sizes.items()}
    return {NETWORK: {"bytes": 1, "sha256": "0" * 64}, **entries}


def deflated(byte: bytes, size: int) -> bytes:
    """The raw deflate stream of `size` bytes, a multiple of 1 MiB, made of one compressed MiB."""
    squeeze = zlib.compressobj(9, wbits=-15)
    mebibyte = squeeze.compress(byte * (1 << 20)) + squeeze.flush(zlib.Z_FULL_FLUSH)
    return mebibyte * (size >> 20) + squeeze.flush()


def bomb(honest: bool) -> Callable[[Files], bytes]:
    """A network of gigabytes in megabytes; its headers say so, or not."""

    def make(files: Files) -> bytes:
        manifest = json.loads(files[MANIFEST])
        manifest["files"] = listed()
        manifest["files"][NETWORK]["bytes"] = BOMB_BYTES if honest else len(files[NETWORK])
        return craft(
            [
                Entry(MANIFEST.encode(), json.dumps(manifest).encode()),
                Entry(
                    NETWORK.encode(),
                    deflated(b"\0", BOMB_BYTES),
                    size=BOMB_BYTES if honest else len(files[NETWORK]),
                    method=zipfile.ZIP_DEFLATED,
                ),
            ]
        )

    return make


def manifest_bomb(files: Files) -> bytes:
    squeezed = deflated(b" ", 1 << 30)
    bombs = Entry(MANIFEST.encode(), squeezed, size=1000, method=zipfile.ZIP_DEFLATED)
    return craft([bombs, Entry(NETWORK.encode(), files[NETWORK])])


def overlapping(files: Files) -> bytes:
    """Fifield's zip bomb (WOOT 2019): many entries, one piece of compressed data."""
    first, *others = entries_of({MANIFEST: files[MANIFEST], NETWORK: files[NETWORK]})
    return craft([first, *(replace(each, offset=0) for each in others)])


def many_files(files: Files) -> bytes:
    return craft([*entries_of(files), *(Entry(b"f%d" % i, b"") for i in range(100_000))], count=2)


def many_names(files: Files) -> bytes:
    """More bytes of names than of anything else, in few entries."""
    extra = struct.pack("<2H", 0x9999, 60_000) + bytes(60_000)
    return beside(*(Entry(b"f%d" % i, b"", extra=extra) for i in range(40)))(files)


def zip64(files: Files) -> bytes:
    good = craft(entries_of(files))
    end, start = good[-22:], len(good) - 22
    record = struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1 << 40, 1 << 40, 1 << 62, 0)
    return good[:-22] + record + struct.pack("<4sIQI", b"PK\6\7", 0, start, 1) + end


def deep(files: Files) -> bytes:
    manifest = json.loads(files[MANIFEST])
    manifest["accuracy"] = "HERE"
    text = json.dumps(manifest).replace('"HERE"', '{"a":' + "[" * 500_000 + "]" * 500_000 + "}")
    return craft(entries_of({**files, MANIFEST: text.encode()}))


def wide(files: Files) -> bytes:
    """As many lists as a manifest can hold, each of 20 times its text in memory, and an error."""
    manifest = json.loads(files[MANIFEST])
    manifest["accuracy"] = "HERE"
    text = json.dumps(manifest).replace('"HERE"', '{"a":[' + "[],[],[]," * 450_000 + "[]]}") + "}"
    assert len(text) < 4 << 20
    return craft(entries_of({**files, MANIFEST: text.encode()}))


def graph_that_reads(location: str) -> Callable[[Files], bytes]:
    def make(files: Files) -> bytes:
        onnx = pytest.importorskip("onnx", reason="onnx makes the graph")
        model = onnx.load_model_from_string(files[NETWORK])
        tensor = model.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=location)
        return with_network(model.SerializeToString())(files)

    return make


def with_network(network: bytes) -> Callable[[Files], bytes]:
    def make(files: Files) -> bytes:
        import hashlib

        manifest = json.loads(files[MANIFEST])
        entry = {"bytes": len(network), "sha256": hashlib.sha256(network).hexdigest()}
        manifest["files"] = {NETWORK: entry}
        return craft(entries_of({MANIFEST: json.dumps(manifest).encode(), NETWORK: network}))

    return make


def plain(name: bytes) -> Entry:
    return Entry(name, b"x")


TOO_MUCH = "expected at most 4294967296 bytes of files|expected at most 33554432 bytes of files"
NO_PLAIN_NAME = "no plain file name|expected plain file names"

ZIPS: dict[str, tuple[Callable[[Files], bytes], str]] = {
    "a bomb that says so": (bomb(honest=True), "zip bomb"),
    "a bomb that lies": (bomb(honest=False), "was changed"),
    "a manifest that is a bomb": (manifest_bomb, "damaged|Bad CRC"),
    "a bzip2 bomb": (
        with_entry(NETWORK, data=bz2.compress(bytes(1 << 26)), method=zipfile.ZIP_BZIP2),
        "stored or deflated",
    ),
    "entries that overlap": (overlapping, "overlapping"),
    "100,000 files, said to be 2": (many_files, "list of files of at most"),
    "65,535 files": (lambda f: craft(entries_of(f), count=65_535), "at most 64 files"),
    "headers of megabytes": (many_names, "list of files of at most"),
    "zip64 with absurd sizes": (zip64, "at most 64 files"),
    "a size of 4 GiB": (with_entry(NETWORK, size=0xFFFFFFFE), "zip bomb|bytes of files"),
    "data beyond the end": (with_entry(NETWORK, offset=0x7FFFFFFF), "bytes of files in"),
    "something before it": (lambda f: b"#!/bin/sh\n" + craft(entries_of(f)), "is not where it"),
    "something behind it": (lambda f: craft(entries_of(f)) + b"\0", "does not end as one"),
    "a comment": (lambda f: craft(entries_of(f), comment=b"hi"), "does not end as one"),
    "a file twice": (beside(plain(NETWORK.encode())), "in it 2 times"),
    "two manifests": (beside(plain(MANIFEST.encode())), "in it 2 times"),
    "a file that nothing vouches for": (beside(plain(b"extra.bin")), "found extra.bin beside"),
    "a path upwards": (beside(plain(b"../../evil")), NO_PLAIN_NAME),
    "an absolute path": (beside(plain(b"/etc/cron.d/evil")), NO_PLAIN_NAME),
    "a path of Windows": (beside(plain(b"..\\evil")), NO_PLAIN_NAME),
    "a folder": (beside(plain(b"folder/")), NO_PLAIN_NAME),
    "a NUL in a name": (beside(plain(b"network.onnx\0.txt")), NO_PLAIN_NAME + "|2 times"),
    "a name of a device": (beside(plain(b"NUL.txt")), NO_PLAIN_NAME),
    "a hidden file": (beside(plain(b".bashrc")), NO_PLAIN_NAME),
    "a name that turns round": (beside(plain("a\u202egnp.exe".encode())), NO_PLAIN_NAME),
    "an escape sequence as a name": (beside(plain(b"\x1b]0;owned\x07")), NO_PLAIN_NAME),
    "a name that is no text": (
        beside(Entry(b"\xff\xfe", b"", flags=0x800)),
        "damaged or truncated|" + NO_PLAIN_NAME,
    ),
    "two names for one file": (
        with_entry(NETWORK, local_name=b"network.exec"),
        "expected network.onnx whole, found it damaged .File name in",
    ),
    "a symbolic link": (
        with_entry(NETWORK, data=b"/etc/passwd", attributes=0o120777 << 16),
        "found a link or a device",
    ),
    "an encrypted file": (with_entry(NETWORK, flags=1), "encrypted"),
    "strong encryption": (with_entry(NETWORK, flags=0x41), "encrypted"),
    "a manifest in lists in lists": (deep, "manifest.json is damaged"),
    "a manifest of a million lists": (wide, "manifest.json is damaged"),
    "a manifest of 5 MB": (
        with_manifest(created_by="x" * 5_000_000),
        "manifest.json to be of at most 4194304 bytes",
    ),
    "a manifest that is no text": (
        lambda f: craft(entries_of({**f, MANIFEST: b"\xff" * 100})),
        "is damaged",
    ),
    "a manifest in UTF-16": (
        lambda f: craft(entries_of({**f, MANIFEST: f[MANIFEST].decode().encode("utf-16")})),
        "is damaged",
    ),
    "NaN": (with_manifest(accuracy={"float": float("nan")}), "is damaged"),
    "infinity": (with_manifest_text('"scale": 1.0', '"scale": 1e999'), "is damaged"),
    "a scale below zero": (with_manifest_text('"scale": 1.0', '"scale": -1.0'), "is damaged"),
    "a zero point of 30 digits": (
        with_manifest_text('"zero_point": 0', '"zero_point": ' + "9" * 30),
        "is damaged",
    ),
    "a picture of a terapixel": (
        with_manifest_text('"width": 96', '"width": 1048576'),
        "is damaged",
    ),
    "a tensor of a terabyte": (
        with_manifest_text('"shape": [\n      1,\n      3', '"shape": [\n      16,\n      1000000'),
        "values, found 'image'|is damaged",
    ),
    "a size below zero": (with_manifest(files=listed(a=-2)), "is damaged"),
    "a size of an exabyte": (with_manifest(files=listed(a=1 << 60)), TOO_MUCH),
    "a size of 40 digits": (with_manifest(files=listed(a=10**40)), "is damaged|" + TOO_MUCH),
    "1000 files in the manifest": (
        with_manifest(files=listed(**{f"f{i}": 0 for i in range(1000)})),
        "expected at most 64 files",
    ),
    "the manifest as a file": (with_manifest(files=listed(**{MANIFEST: 1})), NO_PLAIN_NAME),
    "the signature as a file": (with_manifest(files=listed(**{SIGNATURE: 1})), NO_PLAIN_NAME),
    **{
        f"{name!r} in the manifest": (with_manifest(files=listed(**{name: 1})), NO_PLAIN_NAME)
        for name in ("../up", "/etc/passwd", "a/b", "a\\b", "a\0b", "CON", "aux.txt", "", ".", "a.")
    },
    "a signature of a megabyte": (
        beside(Entry(SIGNATURE.encode(), bytes(1 << 20))),
        "manifest.sig to be of at most 64 bytes",
    ),
    "a graph that reads /etc/passwd": (graph_that_reads("/etc/passwd"), "lies in another file"),
    "a graph that reads beside it": (graph_that_reads("../secret"), "lies in another file"),
    "a graph that reads memory": (
        graph_that_reads("*/_ORT_MEM_ADDR_/*"),
        "lies in another file",
    ),
    "a graph of another format": (
        with_network(b"\x18\0\0\0ORTM" + bytes(100)),
        "expected network.onnx to be an ONNX graph",
    ),
    "a graph that is a pickle": (
        with_network(b"\x80\x04cos\nsystem\n(S'touch owned'\ntR."),
        "expected network.onnx to be an ONNX graph",
    ),
}


def in_folder(name: str, make: Callable[[Path], None]) -> Callable[[Path], None]:
    """A good folder in which one file is replaced."""

    def change(folder: Path) -> None:
        (folder / name).unlink()
        make(folder / name)

    return change


def through_a_link(path: Path) -> None:
    path.with_name("elsewhere").write_bytes(b"secret")
    path.symlink_to(path.with_name("elsewhere"))


FOLDERS: dict[str, tuple[Callable[[Path], None], str]] = {
    "the network is a link": (in_folder(NETWORK, through_a_link), "found a link"),
    "the network is a link to a device": (
        in_folder(NETWORK, lambda path: path.symlink_to("/dev/zero")),
        "found a link",
    ),
    "the manifest is a link": (
        in_folder(MANIFEST, lambda path: path.symlink_to("/etc/passwd")),
        "found a link",
    ),
    "the manifest is a FIFO": (in_folder(MANIFEST, os.mkfifo), "found a folder or a pipe"),
    "the network is a FIFO": (in_folder(NETWORK, os.mkfifo), "found a folder or a pipe"),
    "the network is a folder": (in_folder(NETWORK, Path.mkdir), "found a folder or a pipe"),
    "the network is a terabyte of nothing": (
        in_folder(NETWORK, lambda path: (path.touch(), os.truncate(path, 1 << 40))[1]),
        "expected network.onnx to be of at most",
    ),
}

# What Python does that a reader of bundles has no business with.
_HARMFUL = (
    *("compile", "exec", "import", "marshal.loads", "pickle.find_class", "code.__new__"),
    *("os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system"),
    *("os.chmod", "os.link", "os.mkdir", "os.remove", "os.rename", "os.symlink", "os.truncate"),
    *("shutil.unpack_archive", "socket.connect", "subprocess.Popen", "ctypes.dlopen"),
)

_JUDGE = """
import json, os, resource, signal, sys, time
from pathlib import Path
from edge_mtl.bundle import Bundle, BundleError
try:
    Bundle.open(Path(sys.argv[1]))  # what is imported late is imported now
except BundleError:
    pass
done = []
def watch(event, arguments):
    writes = event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    if writes or event in HARMFUL:
        done.append(f"{event} {arguments[:1]}")
sys.addaudithook(watch)
in_use = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (in_use + ROOM, in_use + ROOM))
def late(*_):
    raise TimeoutError("too long")
signal.signal(signal.SIGALRM, late)
results = {}
for path in sys.argv[1:]:
    done.clear()
    signal.alarm(SECONDS)
    try:
        Bundle.open(Path(path))
        told = "opened"
    except BundleError as error:
        told = f"refused: {error}"
    except BaseException as error:
        told = f"escaped: {type(error).__name__}: {error}"
    signal.alarm(0)
    results[path] = [told, list(done)]
print(json.dumps(results))
"""


def judge(paths: list[Path]) -> dict[str, tuple[str, list[str]]]:
    """What a process with little memory says about each path, and the harm that it saw done."""
    names = {"HARMFUL": repr(_HARMFUL), "ROOM": str(ROOM_BYTES), "SECONDS": str(SECONDS_EACH)}
    code = _JUDGE
    for name, value in names.items():
        code = re.sub(rf"\b{name}\b", value, code)
    command = [sys.executable, "-c", code, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return {path: tuple(found) for path, found in json.loads(done.stdout).items()}


@pytest.fixture(scope="module")
def verdicts(
    tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Bundle
) -> dict[str, tuple[str, list[str]]]:
    """By name, what became of every hostile bundle; they are judged in one process."""
    folder = tmp_path_factory.mktemp("hostile")
    good = folder / "good.emtl"
    Bundle(good, tiny_bundle.manifest, tiny_bundle.files).save()
    with zipfile.ZipFile(good) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    paths = {"good": good, "made by hand": folder / "made.emtl"}
    paths["made by hand"].write_bytes(craft(entries_of(files)))
    for i, (name, (make, _)) in enumerate(ZIPS.items()):
        paths[name] = folder / f"{i}.emtl"
        paths[name].write_bytes(make(files))
    for i, (name, (change, _)) in enumerate(FOLDERS.items()):
        paths[name] = folder / f"folder{i}"
        Bundle(paths[name], tiny_bundle.manifest, tiny_bundle.files).save()
        change(paths[name])
    paths["a FIFO"] = folder / "fifo.emtl"
    os.mkfifo(paths["a FIFO"])
    paths["a device"] = Path("/dev/zero")
    before = sorted(folder.rglob("*"))
    found = judge(list(paths.values()))
    assert sorted(folder.rglob("*")) == before
    return {name: found[str(path)] for name, path in paths.items()}


def test_the_judge_opens_what_is_good(verdicts: dict[str, tuple[str, list[str]]]) -> None:
    assert verdicts["good"] == ("opened", [])
    assert verdicts["made by hand"] == ("opened", [])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        *((name, message) for name, (_, message) in ZIPS.items()),
        *((name, message) for name, (_, message) in FOLDERS.items()),
        ("a FIFO", "found a device or a pipe"),
        ("a device", "found a device or a pipe"),
    ],
)
def test_a_hostile_bundle_is_refused(
    verdicts: dict[str, tuple[str, list[str]]], name: str, message: str
) -> None:
    told, harm = verdicts[name]
    assert told.startswith("refused: "), told
    assert re.search(message, told), told
    assert told.isprintable(), "a message is one line, without escape sequences"
    assert len(told) < 1000
    assert harm == []


def test_the_judge_would_see_harm() -> None:
    code = (
        _JUDGE.split("try:\n    Bundle", maxsplit=1)[0]
        + _JUDGE.split("done = []")[1].split("in_use")[0]
    )
    code = "done = []\n" + code.replace("HARMFUL", repr(_HARMFUL))
    code += "\nopen(os.devnull, 'w'); eval('1'); os.system('true'); print(json.dumps(done))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seen = {event.split()[0] for event in json.loads(done.stdout)}
    assert {"open", "compile", "exec", "os.system"} <= seen
