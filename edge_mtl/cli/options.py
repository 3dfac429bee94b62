"""Options that several subcommands take, and the `--json` that they write."""

from __future__ import annotations

import sys
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from edge_mtl.errors import EdgeMtlError

Model = Annotated[str, typer.Argument(help="A bundle, or the name of one that ships: driving-s.")]
EngineName = Annotated[
    str,
    typer.Option(
        "--engine",
        help="auto (the fastest installed), onnxruntime, openvino, tensorrt or tensorrt-rtx; "
        "torch for a checkpoint.",
    ),
]
Threads = Annotated[
    int | None,
    typer.Option("--threads", min=1, help="Threads of the engine; all cores if left out."),
]
Split = Annotated[str, typer.Option("--split", help="train, val or test, where the data has them.")]
Limit = Annotated[
    int | None,
    typer.Option("--limit", min=1, help="At most so many frames, evenly spaced."),
]
Trust = Annotated[
    Path | None,
    typer.Option("--trust", metavar="KEY", help="Run only what this public key's owner signed."),
]
JsonTarget = Annotated[
    str | None,
    typer.Option("--json", metavar="FILE", help="Write the figures as JSON; - for stdout."),
]


ReportPage = Annotated[
    Path | None,
    typer.Option("--html", metavar="FILE", help="Write one page that needs no network."),
]
ReportText = Annotated[
    str | None,
    typer.Option("--markdown", metavar="FILE", help="Write Markdown; - for stdout."),
]


class MaskSizeName(str, Enum):
    """The values of `--masks`; see `Pipeline`."""

    frame = "frame"
    network = "network"


Masks = Annotated[
    MaskSizeName, typer.Option("--masks", help="Masks of the frame's or the network's size.")
]


def write_json(target: str, data: Any) -> None:
    """Write `data`, indented, to the path or, for "-", to standard output.

    Raises:
        EdgeMtlError: the file cannot be written.
    """
    write_text(target, msgspec.json.format(msgspec.json.encode(data), indent=2).decode() + "\n")


def write_text(target: str, text: str, option: str = "--json") -> None:
    """Write `text` to the path that the option named or, for "-", to standard output.

    Raises:
        EdgeMtlError: the file cannot be written.
    """
    if target == "-":
        sys.stdout.write(text)
        return
    try:
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        Path(target).write_text(text, encoding="utf-8")
    except OSError as error:
        raise EdgeMtlError(
            f"{target}: expected a file that can be written, found: {error.strerror}; choose "
            f"another place for {option}"
        ) from None
