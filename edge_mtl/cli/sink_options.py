"""An option of the command line for every row of the table of sinks."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from edge_mtl.cli.spliced_options import spliced


def with_sink_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of the sinks in the place of its parameter `outputs`.

    It then gets as `outputs` the value of every option that was given, by its name; empty for a
    switch.
    """
    from edge_mtl.runtime.sinks import SINKS

    def wanted(given: dict[str, Any]) -> dict[str, str]:
        return {
            name: "" if value is True else value
            for name, value in given.items()
            if value is not None and value is not False
        }

    options = []
    for name, kind in SINKS.items():
        flag = f"--{name}"
        annotation: Any = Annotated[bool, typer.Option(flag, help=kind.help)]
        if kind.metavar:
            option = typer.Option(flag, metavar=kind.metavar, help=kind.help)
            annotation = Annotated[str | None, option]
        options.append(
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=None if kind.metavar else False,
                annotation=annotation,
            )
        )
    return spliced(command, "outputs", options, wanted)
