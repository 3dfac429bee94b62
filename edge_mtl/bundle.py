"""`Bundle`: what is deployed. A folder or one `.emtl` zip: a manifest and the files it vouches for.

Nothing in a bundle is code and nothing is unpacked to disk: files are read into memory, as far as
the manifest says they go, and compared with its hashes before anyone sees them.
"""

from __future__ import annotations

import hashlib
import math
import os
import stat
import tempfile
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from edge_mtl import signature as signatures
from edge_mtl.bundle_reader import (
    MOST_FILES,
    Reader,
    RefusedError,
    is_plain_name,
    open_reader,
    reader_of,
)
from edge_mtl.engine_file import EngineFile
from edge_mtl.errors import EdgeMtlError
from edge_mtl.onnx_references import NotOnnxError, refers_to_files
from edge_mtl.provenance import Provenance
from edge_mtl.spec import ModelSpec
from edge_mtl.tensor_spec import TensorSpec

FORMAT = 1
MANIFEST = "manifest.json"
NETWORK = "network.onnx"
SIGNATURE = "manifest.sig"
_MOST_MANIFEST_BYTES = 4 << 20
_MOST_VALUES = 1 << 28  # of a tensor at an edge: 16 frames of 2048x2048 are fewer
REBUILD = "build it again here: edge-mtl export --rebuild {path}"
_REMAKE = "make it again with `edge-mtl export CHECKPOINT -o {path}`"


class BundleError(EdgeMtlError):
    """A bundle is missing, truncated, tampered with, or of another format."""


class FileEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    bytes: Annotated[int, Meta(ge=0)]
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]


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
    provenance: what it was made with and from; None of bundles from before that was noted.
    lighter: the files that are bundles of lighter networks, as `spec.degrade` has it, in the order
        in which they take turns.
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
    provenance: Provenance | None = None
    lighter: Annotated[tuple[str, ...], Meta(max_length=2)] = ()


@dataclass(frozen=True, slots=True)
class Bundle:
    """A manifest and the contents of its files, in memory and verified.

    path: where it was read from or is to be written, for messages.
    signature: of the manifest, if it was signed. Whose it is, `open` says for a trusted key.
    """

    path: Path
    manifest: Manifest
    files: dict[str, bytes]
    signature: bytes | None = None

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
    def open(cls, path: Path, trusted: Path | None = None) -> Bundle:
        """Read and verify a bundle.

        Nothing in it is run, followed or written, and no more memory is taken than its size on
        disk excuses, whoever made it: see `bundle_reader`.

        Args:
            path: a folder or an .emtl file.
            trusted: a public key (PEM); only what its owner signed is opened.

        Raises:
            BundleError: there is none at `path`, it is truncated, a file differs from its hash, its
                format is newer than this version reads, it holds what no bundle holds, or it is
                not signed by the trusted key.
            UsageError: `trusted` is no public key.
        """
        try:
            with open_reader(path) as reader:
                return _open(path, reader, trusted)
        except FileNotFoundError:
            raise BundleError(
                f"{path}: no such bundle; give the path of an .emtl file, or the name of a network "
                "that ships with edge-mtl such as driving-s"
            ) from None
        except RefusedError as refused:
            raise BundleError(
                f"{path}: {refused}; copy it again or {_REMAKE.format(path=path)}"
            ) from None
        except OSError as error:
            raise BundleError(f"{path}: cannot be read ({error.strerror or error})") from None

    def lighter(self) -> tuple[Bundle, ...]:
        """The lighter networks that take turns past a deadline, each a bundle in this one; empty
        where it was exported without.

        Raises:
            BundleError: one of them is damaged or refused, as `open` does.
        """
        return tuple(self._inner(name) for name in self.manifest.lighter)

    def _inner(self, name: str) -> Bundle:
        try:
            # Messages name the outer bundle: that is what can be made or built again.
            inner = _open(self.path, reader_of(self.files[name]), None)
            if inner.manifest.lighter:
                raise RefusedError("expected a network, found one with lighter ones of its own")
        except RefusedError as refused:
            raise BundleError(
                f"{self.path}: {name}: {refused}; {_REMAKE.format(path=self.path)}"
            ) from None
        return inner

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
            f"{'; '.join(reasons) or 'found none'}; {REBUILD.format(path=self.path)}"
        )

    def with_engines(
        self, path: Path, files: dict[str, bytes], engines: dict[str, EngineFile]
    ) -> Bundle:
        """The same network with other files and engines, to be written to `path`. It is not signed:
        nobody has vouched for it yet."""
        entries = {name: FileEntry(len(data), _sha256(data)) for name, data in files.items()}
        manifest = msgspec.structs.replace(self.manifest, files=entries, engines=engines)
        return Bundle(path, manifest, files)

    def signed(self, key: Path, password: str | None = None) -> Bundle:
        """The bundle with the signature of the private key in a PEM file; see `signature.sign`."""
        from edge_mtl.signature import sign

        return replace(self, signature=sign(_encode(self.manifest), key, password))

    def save(self) -> None:
        """Write the bundle to its path: whole or not at all. A path without `.emtl` is a folder.

        Equal bundles give equal bytes, whatever the time, the machine and the version of zlib:
        the files are stored as they are.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.path.suffix != ".emtl":
            contents = self._contents()
            self.path.mkdir(exist_ok=True)
            if self.signature is None:
                (self.path / SIGNATURE).unlink(missing_ok=True)
            # The manifest goes last: a folder without one is no bundle yet.
            for name in [*(each for each in contents if each != MANIFEST), MANIFEST]:
                write_atomically(self.path / name, contents[name])
            return
        write_atomically(self.path, self.packed())

    def packed(self) -> bytes:
        """The bytes of the `.emtl` file that `save` writes."""
        with tempfile.SpooledTemporaryFile(max_size=1 << 28) as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
                for name, data in self._contents().items():
                    entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
                    entry.create_system = 3  # Unix, wherever it is written
                    entry.external_attr = (stat.S_IFREG | 0o644) << 16
                    archive.writestr(entry, data)
            file.seek(0)
            return file.read()

    def _contents(self) -> dict[str, bytes]:
        """All files, the manifest first."""
        signature = {} if self.signature is None else {SIGNATURE: self.signature}
        return {MANIFEST: _encode(self.manifest), **self.files, **signature}


def _open(path: Path, reader: Reader, trusted: Path | None) -> Bundle:
    encoded = reader.read(MANIFEST, _MOST_MANIFEST_BYTES)
    if encoded is None:
        raise BundleError(f"{path}: expected a bundle, found no {MANIFEST} in it")
    signature = reader.read(SIGNATURE, signatures.BYTES)
    if trusted is not None:  # before anything of it is understood
        try:
            signatures.check(encoded, signature, trusted)
        except signatures.SignatureError as error:
            raise BundleError(f"{path}: {error}") from None
    manifest = _manifest(path, encoded)
    _check_list(manifest, reader)
    files = {name: _file(path, reader, name, entry) for name, entry in manifest.files.items()}
    try:
        refers = refers_to_files(files[NETWORK])
    except NotOnnxError as error:
        raise RefusedError(
            f"expected {NETWORK} to be an ONNX graph, found something else: {error}"
        ) from None
    if refers:
        raise RefusedError(
            f"expected {NETWORK} to hold all its tensors, found one that lies in another file"
        )
    return Bundle(path, manifest, files, signature)


def _check_list(manifest: Manifest, reader: Reader) -> None:
    """Refuse what no bundle has in its manifest, before a file of it is read."""
    for tensor in (manifest.input, *manifest.planes, *manifest.outputs):
        if math.prod(tensor.shape) > _MOST_VALUES:
            raise RefusedError(
                f"expected tensors of at most {_MOST_VALUES} values, found {tensor.name[:80]!r} of "
                f"{'x'.join(map(str, tensor.shape))}"
            )
    for name in (NETWORK, *manifest.engines, *manifest.lighter):
        if name not in manifest.files:
            raise RefusedError(f"the manifest lists no file {name[:80]!r}")
    if len(manifest.files) > MOST_FILES:
        raise RefusedError(f"expected at most {MOST_FILES} files, found {len(manifest.files)}")
    for name in manifest.files:
        if not is_plain_name(name) or name in (MANIFEST, SIGNATURE):
            raise RefusedError(f"the manifest names {name[:80]!r}, which is no plain file name")
    listed = sum(entry.bytes for entry in manifest.files.values())
    if listed > reader.most_bytes:
        raise RefusedError(
            f"expected at most {reader.most_bytes} bytes of files, found a manifest that lists "
            f"{listed}"
        )
    unknown = reader.names() - {MANIFEST, SIGNATURE, *manifest.files}
    if unknown:
        raise RefusedError(f"expected the files of the manifest, found {min(unknown)} beside them")


def _file(path: Path, reader: Reader, name: str, entry: FileEntry) -> bytes:
    try:
        data = reader.read(name, entry.bytes)
    except RefusedError as refused:
        raise RefusedError(f"{name} was changed: {refused}") from None
    if data is None:
        raise BundleError(f"{path}: {name} is missing; {_REMAKE.format(path=path)}")
    found = _sha256(data)
    if found != entry.sha256:
        raise RefusedError(
            f"{name} was changed: expected sha256 {entry.sha256[:12]} and {entry.bytes} bytes, "
            f"found {found[:12]} and {len(data)} bytes"
        )
    return data


def _encode(manifest: Manifest) -> bytes:
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2)


def _manifest(path: Path, data: bytes) -> Manifest:
    try:
        # The format first: a newer manifest may have fields that this version does not know.
        found = msgspec.json.decode(data, type=_Format).format
        if found > FORMAT:
            raise BundleError(
                f"{path}: has bundle format {found}, this edge-mtl reads up to {FORMAT}; upgrade "
                "edge-mtl or export the bundle with this version"
            )
        return msgspec.json.decode(data, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        # ValidationError is a DecodeError; RecursionError is of lists in lists in lists.
        raise BundleError(
            f"{path}: {MANIFEST} is damaged ({error}); {_REMAKE.format(path=path)}"
        ) from None


class _Format(msgspec.Struct):
    format: int


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def write_atomically(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with temporary.open("xb") as file:  # never through a link that lies in wait
            file.write(data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
