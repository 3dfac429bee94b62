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


def test_every_command_that_runs_a_bundle_takes_a_trusted_key(
    bundle: Path, keys: tuple[Path, Path], tmp_path: Path
) -> None:
    pytest.importorskip("cv2", reason="OpenCV, of the extra cpu, is not installed")
    private, public = keys
    size = ("--frames", "2", "--width", "96", "--height", "64")
    assert call("render", *size, "-o", tmp_path / "scenes" / "val").exit_code == 0
    data = ("--data", f"rendered:{tmp_path / 'scenes'}", "--split", "val")
    commands = (
        ("eval", bundle, *data),
        ("label", bundle, *data, "-o", tmp_path / "labelled"),
    )
    for command in commands:
        refused = call(*command, "--engine", "onnxruntime", "--trust", public)
        assert refused.exit_code == 1
        assert "expected a signature of" in refused.output
    assert call("sign", bundle, "--key", private, "--password", typed="s3cret\n").exit_code == 0
    for command in commands:
        accepted = call(*command, "--engine", "onnxruntime", "--trust", public)
        assert accepted.exit_code == 0, accepted.output


@pytest.mark.parametrize("model", ["a.safetensors", "fastestdet:a.onnx"])
def test_what_nobody_can_sign_is_not_trusted(
    model: str, keys: tuple[Path, Path], tmp_path: Path
) -> None:
    commands: list[tuple[str | Path, ...]] = [("label", model, "-o", tmp_path / "labelled")]
    if model.endswith(".safetensors"):
        commands.append(("eval", model))
    for command in commands:
        refused = call(*command, "--data", "rendered", "--limit", "1", "--trust", keys[1])
        assert refused.exit_code == 2
        assert f"only bundles are; found {model}" in refused.output


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
