from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edge_mtl.benchmark.energy.rapl import _open
from edge_mtl.benchmark.sensors import SensorError


@pytest.fixture
def powercap(write: Any, tmp_path: Path) -> Path:
    """Two packages with parts, and a counter of the whole board."""
    for zone, name, microjoules in (
        ("intel-rapl:0", "package-0", 1_000_000),
        ("intel-rapl:0:0", "core", 500_000),
        ("intel-rapl:1", "package-1", 7_000_000),
        ("intel-rapl:2", "psys", 9_000_000),
    ):
        write(f"{zone}/name", name)
        write(f"{zone}/energy_uj", microjoules)
        write(f"{zone}/max_energy_range_uj", 65_532_610_987)
    (tmp_path / "intel-rapl").mkdir()
    return tmp_path


def test_the_packages_are_added_up_without_their_parts(write: Any, powercap: Path) -> None:
    meter = _open(powercap)
    assert (meter.name, meter.covers) == ("RAPL", "processor packages 0 and 1, without DRAM")
    assert meter.joules() == 0
    write("intel-rapl:0/energy_uj", 3_500_000)
    write("intel-rapl:0:0/energy_uj", 2_500_000)
    write("intel-rapl:1/energy_uj", 7_250_000)
    write("intel-rapl:2/energy_uj", 99_000_000)
    assert meter.joules() == pytest.approx(2.75)
    meter.close()


def test_a_counter_that_starts_again_goes_on(write: Any, powercap: Path) -> None:
    write("intel-rapl:0/energy_uj", 65_532_000_000)
    meter = _open(powercap)
    write("intel-rapl:0/energy_uj", 389_013)
    assert meter.joules() == pytest.approx(1.0)
    write("intel-rapl:0/energy_uj", 1_389_013)
    assert meter.joules() == pytest.approx(2.0)
    meter.close()


def test_who_may_not_read_it_is_told_how(powercap: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Path.open

    def refuse(path: Path, *arguments: Any, **options: Any) -> Any:
        if path.name == "energy_uj":  # mode 0400, which holds nobody back who tests as root
            raise PermissionError(13, "Permission denied")
        return real(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(SensorError, match=r"only root may read it: sudo chmod a\+r"):
        _open(powercap)


def test_a_virtual_machine_has_none(write: Any, tmp_path: Path) -> None:
    for zone in (None, "dtpm", "intel-rapl:0"):
        if zone is not None:
            write(f"powercap/{zone}/name", "psys")
        with pytest.raises(SensorError, match=r"RAPL: no processor in .*powercap"):
            _open(tmp_path / "powercap")


def test_a_counter_that_goes_away_or_talks_nonsense_is_the_reason(
    write: Any, powercap: Path
) -> None:
    meter = _open(powercap)
    write("intel-rapl:1/energy_uj", "unknown")
    with pytest.raises(SensorError, match=r"intel-rapl:1/energy_uj: expected a number"):
        meter.joules()
    meter.close()
