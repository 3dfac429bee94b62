from __future__ import annotations

import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from edge_mtl.benchmark.energy import tegrastats
from edge_mtl.benchmark.energy.tegrastats import _TegrastatsMeter, open_tegrastats
from edge_mtl.benchmark.sensors import SensorError

# As an Orin Nano and an AGX Orin write them.
NANO = (
    "11-23-2026 10:00:00 RAM 2448/7620MB (lfb 4x4MB) SWAP 0/3810MB (cached 0MB) "
    "CPU [3%@1510,off,off] EMC_FREQ 0%@2133 GR3D_FREQ 0%@[305] cpu@45.1C tj@46C "
    "VDD_IN 5032mW/4997mW VDD_CPU_GPU_CV 562mW/560mW VDD_SOC 1445mW/1440mW"
)
AGX = (
    "RAM 3000/62000MB CPU [3%@1510] GPU@47C VDD_GPU_SOC 3150mW/2971mW VDD_CPU_CV -20mW/0mW "
    "VIN_SYS_5V0 4968mW/5048mW VDDQ_VDD2_1V8AO 1091mW/1091mW"
)
WAIT = "import time\ntime.sleep(3600)"


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tegrastats, "_FIRST_LINE_S", 60.0)


def fake(*lines: str, then: str = WAIT) -> list[str]:
    """A command that writes lines and does something else."""
    return [sys.executable, "-SEc", f"for line in {lines!r}: print(line, flush=True)\n{then}"]


@pytest.mark.parametrize(("line", "watts"), [(NANO, 5.032), (AGX, 3.15 + 4.968)])
def test_the_power_of_the_whole_board_is_integrated(
    clock: SimpleNamespace, line: str, watts: float
) -> None:
    meter = _TegrastatsMeter(fake(line))
    assert meter.covers.startswith("the module")
    start = meter.joules()
    clock.s = 2.0
    assert meter.joules() - start == pytest.approx(2 * watts)
    meter.close()
    meter.close()
    assert "tegrastats" not in {thread.name for thread in threading.enumerate()}
    assert meter._process.returncode is not None


def test_lines_without_power_and_lines_cut_short_are_passed_over() -> None:
    meter = _TegrastatsMeter(fake("please wait", "", AGX, AGX[:80], "VDD_IN 9mW/", "bye", then=""))
    assert meter.covers == "the module (VDD_GPU_SOC + VDD_CPU_CV + VIN_SYS_5V0)"
    meter._thread.join()
    with pytest.raises(SensorError, match="ended: bye"):
        meter.joules()
    meter.close()


def test_its_end_is_the_reason_with_its_last_words() -> None:
    meter = _TegrastatsMeter(fake(NANO, "cannot open /sys", then="raise SystemExit(1)"))
    meter._thread.join()
    for _ in range(2):
        with pytest.raises(SensorError, match=r"^tegrastats ended: cannot open /sys$"):
            meter.joules()
    meter.close()


def test_silence_is_the_reason(monkeypatch: pytest.MonkeyPatch, clock: SimpleNamespace) -> None:
    meter = _TegrastatsMeter(fake(NANO))
    clock.s = 6.0
    with pytest.raises(SensorError, match="no line for 5 s"):
        meter.joules()
    meter.close()
    monkeypatch.setattr(tegrastats, "_FIRST_LINE_S", 0.01)
    with pytest.raises(SensorError, match="told no power within"):
        _TegrastatsMeter(fake("no power here"))
    assert "tegrastats" not in {thread.name for thread in threading.enumerate()}


def test_a_board_that_nobody_knows_names_its_rails() -> None:
    with pytest.raises(SensorError, match=r"tegrastats: expected rails .* found: POM_5V_IN$"):
        _TegrastatsMeter(fake("POM_5V_IN 2000mW/2000mW"))
    with pytest.raises(SensorError, match="tegrastats ended: you are not root"):
        _TegrastatsMeter(fake("you are not root", then=""))


def test_it_is_looked_for_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SensorError, match=r"^no tegrastats$"):
        open_tegrastats()
    script = tmp_path / "tegrastats"
    script.write_text(f'#!/bin/sh\necho "$@" "{NANO}"\n', encoding="ascii")
    script.chmod(0o755)
    meter = open_tegrastats()
    assert meter.name == "tegrastats, every 250 ms"
    meter._thread.join()  # type: ignore[attr-defined]
    with pytest.raises(SensorError, match="ended: --interval 250 11-23-2026"):
        meter.joules()
    meter.close()
    script.write_text("no program", encoding="ascii")
    with pytest.raises(SensorError, match=r"tegrastats: Exec format error"):
        open_tegrastats()
