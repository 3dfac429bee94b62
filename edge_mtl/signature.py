"""Signatures of bundles: Ed25519 (RFC 8032) over the bytes of the manifest, which vouches for the
rest by its hashes.

The keys are PEM files as OpenSSL makes them, and the signature is 64 bytes as OpenSSL reads them.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from edge_mtl.errors import EdgeMtlError, UsageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

BYTES = 64
"""Of a signature."""

_MAKE_KEYS = (
    "`openssl genpkey -algorithm ed25519 -out key.pem` and "
    "`openssl pkey -in key.pem -pubout -out key.pub`"
)


class SignatureError(EdgeMtlError):
    """A bundle bears no signature of the key that is trusted."""


def sign(message: bytes, key: Path, password: str | None = None) -> bytes:
    """The signature, 64 bytes, of a message by the private key in a PEM file.

    Raises:
        UsageError: the file is no Ed25519 private key, or the password does not open it.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    pem = _read(key)
    try:
        loaded = load_pem_private_key(pem, password.encode() if password is not None else None)
    except TypeError as error:  # encrypted without a password, or the other way round
        raise UsageError(f"{key}: {error}; give --password for an encrypted key only") from None
    except (ValueError, UnsupportedAlgorithm):
        raise UsageError(
            f"{key}: expected an Ed25519 private key in PEM, found another file or the password "
            f"is wrong; make keys with {_MAKE_KEYS}"
        ) from None
    if not isinstance(loaded, Ed25519PrivateKey):
        raise UsageError(
            f"{key}: expected an Ed25519 private key, found {type(loaded).__name__}; make keys "
            f"with {_MAKE_KEYS}"
        )
    return loaded.sign(message)


def unsigned(model: Path | str) -> UsageError:
    """The error for a model that is trusted only if it is signed, and is none that can be."""
    return UsageError(
        f"--trust runs what a key has signed, and only bundles are; found {model}: give a bundle, "
        "or leave --trust out"
    )


def check(message: bytes, signature: bytes | None, key: Path) -> None:
    """Raise unless `signature` is of `message` by the owner of the public key in a PEM file.

    Raises:
        UsageError: the file is no Ed25519 public key.
        SignatureError: there is no signature, or it is of another message or key.
    """
    from cryptography.exceptions import InvalidSignature

    public = _public_key(key)
    if signature is None:
        raise SignatureError(
            f"expected a signature of {key}, found none; ask whoever made it to sign it with "
            "`edge-mtl sign`, or do without the check"
        )
    try:
        public.verify(signature, message)
    except InvalidSignature:
        raise SignatureError(
            f"expected a signature of {key} ({_fingerprint(public)}), found one of another key or "
            "of a manifest that was changed since; do not run it, get it anew from its maker"
        ) from None


def fingerprint(key: Path) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of a public key: a name to compare by.

    Raises:
        UsageError: the file is no Ed25519 public key.
    """
    return _fingerprint(_public_key(key))


def _fingerprint(public: Ed25519PublicKey) -> str:
    return hashlib.sha256(public.public_bytes_raw()).hexdigest()[:16]


def _public_key(key: Path) -> Ed25519PublicKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    pem = _read(key)
    try:
        loaded = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        loaded = None
    if not isinstance(loaded, Ed25519PublicKey):
        raise UsageError(
            f"{key}: expected an Ed25519 public key in PEM, found "
            f"{'another file' if loaded is None else type(loaded).__name__}; make keys with "
            f"{_MAKE_KEYS}"
        )
    return loaded


def _read(key: Path) -> bytes:
    try:
        return key.read_bytes()
    except OSError as error:
        raise UsageError(
            f"{key}: expected a key in PEM, found: {error.strerror}; make keys with {_MAKE_KEYS}"
        ) from None
