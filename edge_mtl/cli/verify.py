"""`edge-mtl verify`: whether a bundle is whole, and whose it is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    bundle: Annotated[Path, typer.Argument(help="The bundle.")],
    key: Annotated[
        Path | None, typer.Option(help="The Ed25519 public key that must have signed it.")
    ] = None,
) -> None:
    from edge_mtl.bundle import Bundle

    found = Bundle.open(bundle, trusted=key)
    if key is not None:
        from edge_mtl.signature import fingerprint

        whose = f"signed by {key} ({fingerprint(key)})"
    elif found.signature is not None:
        whose = "signed by nobody knows whom; give --key to check"
    else:
        whose = "not signed"
    print(f"{bundle}: whole, {len(found.files)} files, {whose}")
