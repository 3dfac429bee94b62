"""`edge-mtl sign`: a user's signature on a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    bundle: Annotated[Path, typer.Argument(help="The bundle; its signature is written into it.")],
    key: Annotated[
        Path, typer.Option(help="An Ed25519 private key: openssl genpkey -algorithm ed25519.")
    ],
    password: Annotated[
        bool, typer.Option("--password", help="The key is encrypted: ask for its password.")
    ] = False,
) -> None:
    from edge_mtl.bundle import Bundle

    asked: str | None = typer.prompt("Password", hide_input=True, err=True) if password else None
    Bundle.open(bundle).signed(key, asked).save()
    print(f"{bundle}: signed with {key}")
