"""The command line: a table of thin subcommands, each in a file of its own.

The module of a subcommand holds a function `command` that Typer can read. It is imported when its
subcommand is called, so that `edge-mtl run` loads no torch and `edge-mtl --help` loads nothing.
"""

from __future__ import annotations

import logging
import os
import sys
from enum import Enum
from importlib import import_module
from itertools import islice
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

from edge_mtl.errors import EdgeMtlError, UsageError
from edge_mtl.extras import explain

COMMANDS: dict[str, tuple[str, str]] = {
    "doctor": ("edge_mtl.cli.doctor", "Tell what works here, what is missing and how to get it."),
    "render": ("edge_mtl.cli.render", "Render driving scenes: a video, or a folder with labels."),
    "label": ("edge_mtl.cli.label", "Label pictures with networks that know more: pseudo-labels."),
    "train": ("edge_mtl.cli.train", "Train a network as a configuration says."),
    "prune": ("edge_mtl.cli.prune", "Take channels out of a checkpoint, to be trained on."),
    "eval": ("edge_mtl.cli.eval", "Measure the accuracy of a checkpoint or a bundle."),
    "export": ("edge_mtl.cli.export", "Turn a checkpoint into a bundle that runs."),
    "import": ("edge_mtl.cli.import_network", "Turn a network trained elsewhere into a bundle."),
    "inspect": ("edge_mtl.cli.inspect_file", "Show what is in an ONNX file, a bundle, an engine."),
    "sign": ("edge_mtl.cli.sign", "Sign a bundle with a key of your own."),
    "verify": ("edge_mtl.cli.verify", "Tell whether a bundle is whole, and who signed it."),
    "run": ("edge_mtl.cli.run", "Run a model on a camera, a video, images or rendered scenes."),
    "batch": ("edge_mtl.cli.batch", "Run a bundle over many recorded drives, on Ray."),
    "bench": ("edge_mtl.cli.bench", "Measure the latency of every stage of a model."),
    "report": ("edge_mtl.cli.report", "Show what was measured: a page, or Markdown."),
    "demo": ("edge_mtl.cli.demo", "Go the whole way once, from scenes to an annotated video."),
}
"""By the name of the subcommand, its module and its line in the help."""

_SIGPIPE_EXIT, _INTERRUPT_EXIT = 141, 130

# Click's UsageError, which Typer keeps under a name that differs from version to version.
_WrongUsage: Any = typer.BadParameter.__base__

_log = logging.getLogger("edge_mtl")


class LogFormat(str, Enum):
    """The values of `--log-format`."""

    text = "text"
    json = "json"


class _Group(TyperGroup):
    """Lists the subcommands from the table and imports the one that is called."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for name, (_, line) in COMMANDS.items():
            self.commands[name] = TyperCommand(name, help=line)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, found, rest = super().resolve_command(ctx, args)
        if name is None or found is None:
            return name, found, rest
        module, line = COMMANDS[name]
        single = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        single.command(name, help=line)(import_module(module).command)
        return name, typer.main.get_command(single), rest

    def invoke(self, ctx: Any) -> Any:
        from edge_mtl.cli import logs

        debug = ctx.params["debug"]
        as_json = ctx.params["log_format"] is LogFormat.json
        if not debug:
            # OpenCV and FFmpeg print what they dislike about a file; we say it in one line.
            os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
            os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
        logs.begin(as_json, debug)
        try:
            return super().invoke(ctx)
        except EdgeMtlError as error:
            _fail(error, debug)
        except ImportError as error:
            explained = explain(error)
            if explained is None:
                raise
            _fail(explained, debug)
        except _WrongUsage as error:
            if not as_json:
                raise
            _fail(UsageError(error.format_message()), debug=False)
        except BrokenPipeError:
            # Whoever read our output has seen enough; nor may the interpreter flush into it later.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(_SIGPIPE_EXIT) from None
        except KeyboardInterrupt:
            raise typer.Exit(_INTERRUPT_EXIT) from None


def _fail(error: EdgeMtlError, debug: bool) -> NoReturn:
    if debug:
        raise error
    _log.error("%s", error)
    raise typer.Exit(error.exit_code)


app = typer.Typer(
    cls=_Group, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from edge_mtl import __version__

        print(f"edge-mtl {__version__}")
        raise typer.Exit


@app.callback()
def _settings(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks and what the libraries log.")
    ] = False,
    log_format: Annotated[
        LogFormat,
        typer.Option(
            envvar="EDGE_MTL_LOG_FORMAT",
            help="Log lines for people, or a JSON object a line for machines.",
        ),
    ] = LogFormat.text,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show it.")
    ] = False,
) -> None:
    """Multi-task driving networks, from training to the edge."""  # `_Group` reads the settings


def main() -> None:
    """The entry point of `edge-mtl`. Its settings are understood behind the subcommand too."""
    app(settings_first(sys.argv[1:]), prog_name="edge-mtl")


def settings_first(arguments: list[str]) -> list[str]:
    """The arguments with those of the group, `--debug` and `--log-format`, before all others."""
    settings: list[str] = []
    rest: list[str] = []
    waiting = iter(arguments)
    for each in waiting:
        if each == "--log-format":
            settings += [each, *islice(waiting, 1)]
        elif each == "--debug" or each.startswith("--log-format="):
            settings.append(each)
        else:
            rest.append(each)
    return [*settings, *rest]
