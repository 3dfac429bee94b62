from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edge_mtl.benchmark.machine_watch.settings import clock_settings


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes the one command that is on the PATH."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))

    def make(name: str, script: str) -> None:
        file = tmp_path / "bin" / name
        file.parent.mkdir()
        file.write_text(f"#!/bin/sh\n{script}\n", encoding="ascii")
        file.chmod(0o755)

    return make


def test_governors_and_power_mode_of_a_jetson(write: Any, tmp_path: Path, command: Any) -> None:
    for core, (low, high) in enumerate([(729_600, 1_728_000)] * 2 + [(1_728_000, 1_728_000)]):
        cpufreq = f"devices/system/cpu/cpu{core}/cpufreq"
        write(f"{cpufreq}/scaling_governor", "schedutil")
        write(f"{cpufreq}/scaling_min_freq", low)
        write(f"{cpufreq}/scaling_max_freq", high)
    command("nvpmodel", 'test "$1" = -q && printf "NV Power Mode: MAXN_SUPER\\n2\\n"')
    assert clock_settings({0, 1, 2}, tmp_path) == [
        "cpufreq governor schedutil, 730 to 1728 MHz",
        "cpufreq governor schedutil, 1728 MHz",
        "nvpmodel MAXN_SUPER",
    ]


@pytest.mark.parametrize(
    ("file", "value", "expected"),
    [
        ("cpufreq/boost", 0, "boost off"),
        ("cpufreq/boost", 1, "boost on"),
        ("intel_pstate/no_turbo", 1, "turbo off"),
        ("intel_pstate/no_turbo", 0, "turbo on"),
    ],
)
def test_turbo(
    write: Any, tmp_path: Path, command: Any, file: str, value: int, expected: str
) -> None:
    command("nvpmodel", "exit 1")
    write(f"devices/system/cpu/{file}", value)
    assert clock_settings({0}, tmp_path) == [expected]


def test_a_machine_that_tells_nothing(tmp_path: Path, command: Any) -> None:
    command("ls", "")
    assert clock_settings({0}, tmp_path) == []
