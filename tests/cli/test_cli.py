"""The group: its table, its exit codes and its single lines."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import types

import pytest
from typer.testing import CliRunner

from edge_mtl import cli
from edge_mtl.errors import EdgeMtlError, UsageError


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """A subcommand `fail` that raises the parameter."""

    def command() -> None:
        raise request.param

    module = types.ModuleType("edge_mtl.cli.fail")
    module.command = command  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "edge_mtl.cli.fail", module)
    monkeypatch.setitem(cli.COMMANDS, "fail", ("edge_mtl.cli.fail", "Fail."))


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_row_of_the_table_is_a_command_with_help(name: str) -> None:
    module, line = cli.COMMANDS[name]
    if name in ("doctor", "run", "bench"):
        assert importlib.util.find_spec(module) is not None
    result = CliRunner().invoke(cli.app, ["--help"])
    assert result.exit_code == 0
    assert name in result.output
    assert line.endswith(".")


def test_help_imports_no_command() -> None:
    code = (
        "import sys\nfrom edge_mtl.cli import app\n"
        "try: app(['--help'])\nexcept SystemExit: pass\n"
        "print([m for m in sys.modules if m.startswith('edge_mtl.cli.') or m == 'numpy'])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.splitlines()[-1] == "[]"


def test_version() -> None:
    result = CliRunner().invoke(cli.app, ["--version"])
    assert result.output.startswith("edge-mtl 0.")


def test_an_unknown_command_names_a_near_one() -> None:
    result = CliRunner().invoke(cli.app, ["rnu"])
    assert result.exit_code == 2
    assert "run" in result.stderr.replace("rnu", "")


@pytest.mark.parametrize(
    ("failing", "exit_code", "line"),
    [
        (EdgeMtlError("no such thing"), 1, "edge-mtl: error: no such thing\n"),
        (UsageError("wrong option"), 2, "edge-mtl: error: wrong option\n"),
        (
            ModuleNotFoundError("No module named 'cv2'", name="cv2"),
            1,
            "edge-mtl: error: this needs cv2, which is missing: pip install 'edge-mtl[cpu]'\n",
        ),
        (KeyboardInterrupt(), 130, ""),
    ],
    indirect=["failing"],
)
@pytest.mark.usefixtures("failing")
def test_errors_are_one_line_and_an_exit_code(exit_code: int, line: str) -> None:
    result = CliRunner().invoke(cli.app, ["fail"])
    assert (result.exit_code, result.stderr) == (exit_code, line)


@pytest.mark.parametrize("failing", [EdgeMtlError("no such thing")], indirect=True)
@pytest.mark.usefixtures("failing")
def test_debug_lets_the_traceback_through() -> None:
    result = CliRunner().invoke(cli.app, ["--debug", "fail"])
    assert isinstance(result.exception, EdgeMtlError)
    assert result.stderr == ""


@pytest.mark.parametrize("failing", [ModuleNotFoundError("no", name="edge_mtl.x")], indirect=True)
@pytest.mark.usefixtures("failing")
def test_a_bug_keeps_its_traceback() -> None:
    assert isinstance(CliRunner().invoke(cli.app, ["fail"]).exception, ModuleNotFoundError)


@pytest.mark.parametrize("place", ["before", "behind"])
def test_debug_is_understood_before_and_behind_the_command(
    monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    arguments = ["run", "none.emtl", "--source", "/no/such"]
    arguments.insert(0 if place == "before" else len(arguments), "--debug")
    monkeypatch.setattr("sys.argv", ["edge-mtl", *arguments])
    with pytest.raises(EdgeMtlError, match="no such file"):
        cli.main()
