"""`edge-mtl sign`, `edge-mtl verify` and `--trust`."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from edge_mtl.bundle import Bundle
from edge_mtl.cli import app

serialization = pytest.importorskip(
    "cryptography.hazmat.primitives.serialization", reason="cryptography, of extra sign, is missing"
)


@pytest.fixture
def bundle(tmp_path: Path, tiny_bundle: Bundle) -> Path:
    path = tmp_path / "b.emtl"
    Bundle(path, tiny_bundle.manifest, tiny_bundle.files).save()
    return path


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    """A private key that is locked with "s3cret", and its public one."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key, pem = Ed25519PrivateKey.generate(), serialization.Encoding.PEM
    private, public = tmp_path / "key.pem", tmp_path / "key.pub"
    locked = serialization.BestAvailableEncryption(b"s3cret")
    private.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, locked))
    public.write_bytes(
        key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return private, public


def call(*arguments: str | Path, typed: str | None = None) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)), input=typed)


def test_a_bundle_is_signed_verified_and_run(
    bundle: Path, keys: tuple[Path, Path], tiny_video: Path
) -> None:
    private, public = keys
    told = call("verify", bundle)
    assert (told.exit_code, "whole, 1 files, not signed" in told.output) == (0, True)
    run = ("run", bundle, "--source", tiny_video, "--frames", "1", "--engine", "onnxruntime")
    refused = call(*run, "--trust", public)
    assert refused.exit_code == 1
    assert "expected a signature of" in refused.output

    signed = call("sign", bundle, "--key", private, "--password", typed="s3cret\n")
    assert signed.exit_code == 0, signed.output
    assert "signed by nobody knows whom" in call("verify", bundle).output
    told = call("verify", bundle, "--key", public)
    assert (told.exit_code, f"signed by {public}" in told.output) == (0, True)
    assert call(*run, "--trust", public).exit_code == 0


def test_a_key_that_is_none_is_bad_usage(bundle: Path) -> None:
    for command in ("sign", "verify"):
        result = call(command, bundle, "--key", bundle)
        assert result.exit_code == 2
        assert "openssl genpkey" in result.output


def test_a_bundle_that_was_changed_is_not_verified(bundle: Path) -> None:
    data = bytearray(bundle.read_bytes())
    data[len(data) // 2] ^= 1
    bundle.write_bytes(data)
    result = call("verify", bundle)
    assert result.exit_code == 1
    assert "edge-mtl: error" in result.output
