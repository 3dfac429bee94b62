"""The benchmarks' report, printed when all have run, and what stands in their result.

make bench
python -m pytest benchmarks/bench_head.py -k "real and network"
"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import pytest

# Benchmarks share modules that lie beside them, as the scripts among them do.
sys.path.insert(0, str(Path(__file__).parent))

from report import Report
from rich.console import Console
from spread import medians_of_parts

from edge_mtl.machine import Machine

_REPORT = pytest.StashKey[Report]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_REPORT] = Report()


@pytest.fixture(scope="session")
def report(pytestconfig: pytest.Config) -> Report:
    """What this session's benchmarks found; its tables are printed at the end."""
    return pytestconfig.stash[_REPORT]


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    found = config.stash[_REPORT]
    text = io.StringIO()
    console = Console(file=text, width=160)
    for table in found.tables():
        console.print(table)
    for note in found.notes:
        console.print(note)
    for block in found.verbatim:
        text.write(f"\n{block}\n")
    if text.getvalue():
        terminalreporter.write_sep("=", "kernels")
        terminalreporter.write(text.getvalue())


def pytest_benchmark_update_machine_info(machine_info: dict[str, Any]) -> None:
    """What decides about times, not whose machine it is."""
    machine_info.clear()
    machine_info.update(Machine.here().to_json())


def pytest_benchmark_update_commit_info(commit_info: dict[str, Any]) -> None:
    """Not where the checkout lies and what its branch is called."""
    del commit_info["project"], commit_info["branch"]


def pytest_benchmark_update_json(output_json: dict[str, Any]) -> None:
    """Rounds that follow each other become medians, to the nanosecond: files are kept in git."""
    for benchmark in output_json["benchmarks"]:
        stats = benchmark["stats"]
        stats["data"] = [round(each, 9) for each in medians_of_parts(stats["data"])]
