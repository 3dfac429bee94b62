from __future__ import annotations

import hashlib
from types import SimpleNamespace
from typing import Any

import pytest

from edge_mtl.benchmark.machine_watch import fixed_work
from edge_mtl.benchmark.machine_watch.fixed_work import FixedWork


@pytest.fixture
def core(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A core that does so many rounds a second, with a clock of its own; `hiccups` are seconds that
    the next pieces take longer."""
    fake = SimpleNamespace(now=0.0, rounds_per_s=4e6, hiccups=[])

    def pbkdf2_hmac(name: str, password: bytes, salt: bytes, rounds: int) -> None:
        fake.now += rounds / fake.rounds_per_s + (fake.hiccups.pop() if fake.hiccups else 0.0)

    monkeypatch.setattr(fixed_work, "hashlib", SimpleNamespace(pbkdf2_hmac=pbkdf2_hmac))
    monkeypatch.setattr(fixed_work, "time", SimpleNamespace(perf_counter=lambda: fake.now))
    return fake


def test_a_clock_that_stands_still_is_all_speed(core: Any) -> None:
    work = FixedWork()
    for _ in range(20):
        work.do()
    assert work.speeds() == pytest.approx((1.0, 1.0))


def test_a_piece_takes_as_long_on_every_machine(core: Any) -> None:
    for rounds_per_s in (4e6, 4e5):
        core.rounds_per_s = rounds_per_s
        work = FixedWork()
        before = core.now
        work.do()
        assert core.now - before == pytest.approx(3 * 0.3e-3, rel=0.02)


def test_a_clock_that_falls_is_seen_in_both_figures(core: Any) -> None:
    work = FixedWork()
    for rounds_per_s in (4e6, *(3e6,) * 17, 2e6, 2e6):
        core.rounds_per_s = rounds_per_s
        work.do()
    assert work.speeds() == pytest.approx((0.75, 0.5))


def test_one_interruption_does_not_count(core: Any) -> None:
    work = FixedWork()
    for _ in range(20):
        core.hiccups = [0.0, 0.01, 0.02]
        work.do()
    assert work.speeds() == pytest.approx((1.0, 1.0))


def test_this_machine_does_it() -> None:
    hashlib.pbkdf2_hmac("sha256", b"", b"", 1)  # a Python without OpenSSL has none
    work = FixedWork()
    for _ in range(3):
        work.do()
    assert 0 < work.speeds()[1] <= work.speeds()[0] <= 1
