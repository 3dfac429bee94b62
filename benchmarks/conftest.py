"""The benchmarks' report, printed when all have run.

make bench
python -m pytest benchmarks/bench_head.py -k "real and network"
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

# Benchmarks share modules that lie beside them, as the scripts among them do.
sys.path.insert(0, str(Path(__file__).parent))

from report import Report
from rich.console import Console

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
    if text.getvalue():
        terminalreporter.write_sep("=", "kernels")
        terminalreporter.write(text.getvalue())
