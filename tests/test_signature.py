from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from edge_mtl.bundle import MANIFEST, SIGNATURE, Bundle, BundleError
from edge_mtl.errors import UsageError
from edge_mtl.runtime.pipeline import Pipeline
from edge_mtl.signature import check, fingerprint, sign

serialization = pytest.importorskip(
    "cryptography.hazmat.primitives.serialization", reason="cryptography, of extra sign, is missing"
)


def write_keys(folder: Path, name: str, password: str | None = None) -> tuple[Path, Path]:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    encryption = (
        serialization.BestAvailableEncryption(password.encode())
        if password
        else serialization.NoEncryption()
    )
    pem = serialization.Encoding.PEM
    private, public = folder / f"{name}.pem", folder / f"{name}.pub"
    private.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, encryption))
    public.write_bytes(
        key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return private, public


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    return write_keys(tmp_path, "mine")


@pytest.fixture(params=["b.emtl", "folder"])
def signed(
    request: pytest.FixtureRequest, tmp_path: Path, tiny_bundle: Bundle, keys: tuple[Path, Path]
) -> Path:
    path: Path = tmp_path / request.param
    Bundle(path, tiny_bundle.manifest, tiny_bundle.files).signed(keys[0]).save()
    return path


def test_a_signed_bundle_opens_for_its_key_and_without_one(
    signed: Path, keys: tuple[Path, Path], tiny_bundle: Bundle
) -> None:
    for trusted in (keys[1], None):
        assert Bundle.open(signed, trusted).manifest == tiny_bundle.manifest


def test_the_same_key_signs_the_same_bytes_alike(signed: Path, keys: tuple[Path, Path]) -> None:
    first = Bundle.open(signed)
    assert first.signed(keys[0]).signature == first.signature


def test_another_key_is_not_trusted(signed: Path, tmp_path: Path) -> None:
    _, public = write_keys(tmp_path, "other")
    with pytest.raises(BundleError, match="found one of another key or of a manifest"):
        Bundle.open(signed, public)


def test_a_bundle_that_nobody_signed_is_not_trusted(
    tmp_path: Path, tiny_bundle: Bundle, keys: tuple[Path, Path]
) -> None:
    path = tmp_path / "unsigned.emtl"
    Bundle(path, tiny_bundle.manifest, tiny_bundle.files).save()
    with pytest.raises(BundleError, match=r"expected a signature of .*mine\.pub, found none"):
        Bundle.open(path, keys[1])
    with pytest.raises(BundleError, match="found none"):
        Pipeline.open(path, "onnxruntime", trusted=keys[1])


def test_saving_without_a_signature_leaves_no_old_one(
    signed: Path, tiny_bundle: Bundle, keys: tuple[Path, Path]
) -> None:
    Bundle(signed, tiny_bundle.manifest, tiny_bundle.files).save()
    with pytest.raises(BundleError, match="found none"):
        Bundle.open(signed, keys[1])


@pytest.mark.parametrize("signed", ["folder"], indirect=True)
@pytest.mark.parametrize("name", [MANIFEST, SIGNATURE])
def test_any_changed_bit_of_what_is_signed_is_noticed(
    signed: Path, keys: tuple[Path, Path], name: str
) -> None:
    original = (signed / name).read_bytes()
    for position in range(0, len(original), max(1, len(original) // 50)):
        changed = bytearray(original)
        changed[position] ^= 1
        (signed / name).write_bytes(changed)
        with pytest.raises(BundleError, match="expected a signature of"):
            Bundle.open(signed, keys[1])


@pytest.mark.parametrize("signed", ["folder"], indirect=True)
def test_the_manifest_is_not_read_before_its_signature_is_checked(
    signed: Path, keys: tuple[Path, Path]
) -> None:
    (signed / MANIFEST).write_text(json.dumps({"format": 99}))
    with pytest.raises(BundleError, match="expected a signature of"):
        Bundle.open(signed, keys[1])


@pytest.mark.parametrize("signed", ["folder"], indirect=True)
def test_the_signature_holds_for_the_files_too(signed: Path, keys: tuple[Path, Path]) -> None:
    (signed / "network.onnx").write_bytes(b"another network")
    with pytest.raises(BundleError, match=r"network\.onnx was changed"):
        Bundle.open(signed, keys[1])


@pytest.mark.parametrize("signed", ["folder"], indirect=True)
def test_openssl_confirms_the_signature(signed: Path, keys: tuple[Path, Path]) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    verify = [openssl, "pkeyutl", "-verify", "-pubin", "-inkey", keys[1], "-rawin"]
    files = ["-in", signed / MANIFEST, "-sigfile", signed / SIGNATURE]
    done = subprocess.run([*verify, *files], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_keys_that_openssl_makes_are_taken(tmp_path: Path) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    private, public = tmp_path / "key.pem", tmp_path / "key.pub"
    subprocess.run([openssl, "genpkey", "-algorithm", "ed25519", "-out", private], check=True)
    subprocess.run([openssl, "pkey", "-in", private, "-pubout", "-out", public], check=True)
    check(b"message", sign(b"message", private), public)
    assert len(fingerprint(public)) == 16


def test_the_vector_of_the_standard(tmp_path: Path) -> None:
    """RFC 8032, section 7.1, test 2."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    secret = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"
    pem = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(secret)).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (tmp_path / "key.pem").write_bytes(pem)
    expected = (
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )
    assert sign(b"\x72", tmp_path / "key.pem").hex() == expected


def test_an_encrypted_key(tmp_path: Path) -> None:
    private, public = write_keys(tmp_path, "locked", "s3cret")
    check(b"message", sign(b"message", private, "s3cret"), public)
    with pytest.raises(UsageError, match="--password"):
        sign(b"message", private)
    with pytest.raises(UsageError, match="password is wrong"):
        sign(b"message", private, "guess")


@pytest.mark.parametrize("content", [b"", b"no key", b"-----BEGIN PUBLIC KEY-----\nAAAA\n"])
def test_what_is_no_key(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(UsageError, match=r"expected an Ed25519 private key .*openssl genpkey"):
        sign(b"", tmp_path / "key")
    with pytest.raises(UsageError, match=r"expected an Ed25519 public key .*openssl genpkey"):
        check(b"", bytes(64), tmp_path / "key")


def test_keys_of_another_kind_or_that_are_not_there(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    pem = serialization.Encoding.PEM
    (tmp_path / "key.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    with pytest.raises(UsageError, match=r"found EC|found .*Elliptic"):
        sign(b"", tmp_path / "key.pem")
    with pytest.raises(UsageError, match="No such file"):
        sign(b"", tmp_path / "none.pem")


def test_a_private_key_is_not_taken_for_a_public_one(keys: tuple[Path, Path]) -> None:
    with pytest.raises(UsageError, match="expected an Ed25519 public key"):
        check(b"", bytes(64), keys[0])
