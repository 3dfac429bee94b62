"""`Bundle`: what is deployed. A folder or one `.emtl` zip: a manifest and the files it vouches for.

Nothing in a bundle is code and nothing is unpacked to disk: files are read into memory, as far as
the manifest says they go, and compared with its hashes before anyone sees them.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

from edge_mtl.engine_file import EngineFile
from edge_mtl.errors import EdgeMtlError
from edge_mtl.spec import ModelSpec
from edge_mtl.tensor_spec import TensorSpec

FORMAT = 1
MANIFEST = "manifest.json"
NETWORK = "network.onnx"
_MAX_MANIFEST_BYTES = 16 << 20
_REMAKE = "make it again with `edge-mtl export CHECKPOINT -o {path}`"


class BundleError(EdgeMtlError):
    """A bundle is missing, truncated, tampered with, or of another format."""


class FileEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    bytes: int
    sha256: str


class Calibration(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which frames set the ranges of the 8-bit activations, and how."""

    data: str
    frames: int
    method: str


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is in a bundle and what it was made from.

    input, planes, outputs: the tensors at the edges of `network.onnx`, with their scales where
        they are 8-bit.
    accuracy: by "float" and "exported", what `edge-mtl eval` measured on `accuracy_data`.
    report: what the accuracy gate found, as `edge_mtl.export.report` writes it.
    engines: by the name of the file, how each engine in the bundle was built.
    """

    format: int = FORMAT
    created_by: str
    spec: ModelSpec
    target: str
    precision: Literal["fp32", "fp16", "int8"]
    input: TensorSpec
    outputs: tuple[TensorSpec, ...]
    files: dict[str, FileEntry]
    calibration: Calibration | None = None
    accuracy: dict[str, Any] | None = None
    accuracy_data: str | None = None
    planes: tuple[TensorSpec, ...] = ()
    report: dict[str, Any] | None = None
    engines: dict[str, EngineFile] = {}


@dataclass(frozen=True, slots=True)
class Bundle:
    """A manifest and the contents of its files, in memory and verified.

    path: where it was read from or is to be written, for messages.
    """

    path: Path
    manifest: Manifest
    files: dict[str, bytes]

    @property
    def spec(self) -> ModelSpec:
        return self.manifest.spec

    @property
    def network(self) -> bytes:
        """The ONNX network."""
        return self.files[NETWORK]

    @classmethod
    def create(cls, path: Path, files: dict[str, bytes], **fields: Any) -> Bundle:
        """A new bundle of `files`; `fields` are those of `Manifest` that are not derived here."""
        entries = {name: FileEntry(len(data), _sha256(data)) for name, data in files.items()}
        from importlib.metadata import version  # a tenth of what reading a bundle imports

        created_by = f"edge-mtl {version('edge-mtl')}"
        return cls(path, Manifest(created_by=created_by, files=entries, **fields), files)

    @classmethod
    def open(cls, path: Path) -> Bundle:
        """Read and verify a bundle.

        Raises:
            BundleError: there is none at `path`, it is truncated, a file differs from its hash, or
                its format is newer than this version reads.
        """
        try:
            if path.is_dir():
                return _open(path, _FolderReader(path))
            with zipfile.ZipFile(path) as archive:
                return _open(path, _ZipReader(archive))
        except FileNotFoundError:
            raise BundleError(
                f"{path}: no such bundle; give the path of an .emtl file, or the name of a network "
                "that ships with edge-mtl such as driving-s"
            ) from None
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
            raise BundleError(
                f"{path}: expected an .emtl bundle, found a file that is no zip or was damaged or "
                f"truncated ({error}); copy it again or {_REMAKE.format(path=path)}"
            ) from None
        except OSError as error:
            raise BundleError(f"{path}: cannot be read ({error.strerror or error})") from None

    def engine(
        self, module: str, version: str, compute_capability: tuple[int, int], platform: str
    ) -> tuple[str, bytes]:
        """The name and the contents of the engine that a runtime can load, found in the manifest.

        Args: see `EngineFile.mismatch`.

        Raises:
            BundleError: none of the bundle's engines fits; says for each what it was built for.
        """
        reasons = []
        for name, engine in self.manifest.engines.items():
            reason = engine.mismatch(module, version, compute_capability, platform)
            if reason is None:
                return name, self.files[name]
            reasons.append(f"{name} was {reason}")
        raise BundleError(
            f"{self.path}: expected an engine for this machine, "
            f"{'; '.join(reasons) or 'found none'}; build it here with `edge-mtl export --rebuild`"
        )

    def save(self) -> None:
        """Write the bundle to its path: whole or not at all. A path without `.emtl` is a folder."""
        manifest = msgspec.json.format(msgspec.json.encode(self.manifest), indent=2)
        contents = {MANIFEST: manifest, **self.files}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.path.suffix != ".emtl":
            self.path.mkdir(exist_ok=True)
            # The manifest goes last: a folder without one is no bundle yet.
            for name in [*self.files, MANIFEST]:
                _write_atomically(self.path / name, contents[name])
            return
        with tempfile.SpooledTemporaryFile(max_size=1 << 28) as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
                for name, data in contents.items():
                    # A fixed date: equal inputs give equal bytes.
                    entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
                    entry.compress_type = zipfile.ZIP_DEFLATED
                    entry.external_attr = 0o644 << 16
                    archive.writestr(entry, data)
            file.seek(0)
            _write_atomically(self.path, file.read())


class _FolderReader:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, name: str, limit: int) -> bytes | None:
        try:
            with (self._folder / name).open("rb") as file:
                return file.read(limit)
        except FileNotFoundError:
            return None


class _ZipReader:
    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive

    def read(self, name: str, limit: int) -> bytes | None:
        found = [entry for entry in self._archive.infolist() if entry.filename == name]
        if len(found) > 1:
            raise zipfile.BadZipFile(f"{name} is in it {len(found)} times")
        if not found:
            return None
        with self._archive.open(found[0]) as file:
            return file.read(limit)


def _open(path: Path, reader: _FolderReader | _ZipReader) -> Bundle:
    manifest = _manifest(path, reader.read(MANIFEST, _MAX_MANIFEST_BYTES))
    files = {}
    for name, entry in manifest.files.items():
        if Path(name).name != name:
            raise BundleError(f"{path}: the manifest names {name!r}, which is no plain file name")
        data = reader.read(name, entry.bytes + 1)
        if data is None:
            raise BundleError(f"{path}: {name} is missing; {_REMAKE.format(path=path)}")
        found = _sha256(data)
        if len(data) != entry.bytes or found != entry.sha256:
            raise BundleError(
                f"{path}: {name} was changed: expected sha256 {entry.sha256[:12]} and "
                f"{entry.bytes} bytes, found {found[:12]} and "
                f"{'more' if len(data) > entry.bytes else len(data)} bytes; copy it again or "
                f"{_REMAKE.format(path=path)}"
            )
        files[name] = data
    for name in (NETWORK, *manifest.engines):
        if name not in files:
            raise BundleError(
                f"{path}: the manifest lists no file {name!r}; {_REMAKE.format(path=path)}"
            )
    return Bundle(path, manifest, files)


def _manifest(path: Path, data: bytes | None) -> Manifest:
    if data is None:
        raise BundleError(f"{path}: expected a bundle, found no {MANIFEST} in it")
    try:
        # The format first: a newer manifest may have fields that this version does not know.
        found = msgspec.json.decode(data, type=_Format).format
        if found > FORMAT:
            raise BundleError(
                f"{path}: has bundle format {found}, this edge-mtl reads up to {FORMAT}; upgrade "
                "edge-mtl or export the bundle with this version"
            )
        return msgspec.json.decode(data, type=Manifest)
    except msgspec.DecodeError as error:  # ValidationError is one of these
        raise BundleError(
            f"{path}: {MANIFEST} is damaged ({error}); {_REMAKE.format(path=path)}"
        ) from None


class _Format(msgspec.Struct):
    format: int


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _write_atomically(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
