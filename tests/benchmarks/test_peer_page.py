"""The pages say what the kept rows say."""

from __future__ import annotations

import msgspec
import peer_page
import peer_rows
import pytest
import rows
from peer_rows import Row
from peers import OURS, PEERS

from edge_mtl.benchmark.result import Interval, Latency
from edge_mtl.machine import Machine


def _latency(p50: float) -> Latency:
    each = Interval(p50, p50 - 1, p50 + 1)
    return Latency(10, each, each, each, each, None, None, p50 + 2)


@pytest.fixture
def found() -> list[Row]:
    ours = Row(
        name=OURS,
        library="openvino 2026.4.1",
        precision="int8",
        masks="frame",
        threads=2,
        opened_s=0.5,
        compared_with=OURS,
        points_apart={"lanes pixel_accuracy": 0.0},
        accuracy={"lanes": ("miou", 0.512)},
        accuracy_data="camvid",
        engine=_latency(17),
        latency=_latency(18),
        ratio=None,
        verdict=None,
        clip="rendered",
        clip_fps=Interval(60, 59, 61),
        clip_ratio=None,
        disturbed=(),
        command="pytest benchmarks/bench_peers.py",
        machine=Machine.here(),
        commit="abc",
    )
    other = msgspec.structs.replace(
        ours,
        name="PyTorch eager",
        library="torch 2.13.0",
        ratio=Interval(12.34, 12.01, 12.52),
        verdict="faster",
        clip_fps=Interval(5, 4, 6),
        clip_ratio=Interval(1.234, 1.2, 1.25),
    )
    small = [msgspec.structs.replace(each, masks="network") for each in (ours, other)]
    return [ours, other, *small]


def test_a_table_for_each_size_of_masks(found: list[Row]) -> None:
    text = peer_rows.markdown(found)
    assert text.count("Masks of the frame's size, 2 threads, ") == 1
    assert text.count("Masks of the network's size, 2 threads, ") == 1
    assert "| lanes miou |" in text
    assert "Meanwhile" not in text
    assert (
        "| PyTorch eager (torch 2.13.0) | 17.0 | 18.0 | 12.3 (12.0 to 12.5) | 5.0 "
        "| 1.23 (1.20 to 1.25) | 51.2 | 0.5 |"
    ) in text


def test_what_disturbed_the_machine_is_said_once(found: list[Row]) -> None:
    hot = [msgspec.structs.replace(each, disturbed=("it was hot",)) for each in found[:2]]
    assert peer_rows.markdown(hot).endswith("|\n\nMeanwhile it was hot.")
    assert peer_rows.markdown(hot).count("it was hot") == 1


def test_the_short_table_has_both_sizes_side_by_side(found: list[Row]) -> None:
    lines = peer_rows.short(found, [OURS, "PyTorch eager"]).splitlines()
    assert lines[2:] == [f"| {OURS} | 60.0 | 60.0 |", "| PyTorch eager | 5.0 (1.2) | 5.0 (1.2) |"]


def test_readme_names_rows_that_exist() -> None:
    assert set(peer_page.IN_README) <= set(PEERS)


def test_the_pages_are_what_the_kept_rows_make_of_them() -> None:
    kept = rows.read_rows(peer_rows.RESULTS, Row)
    assert kept, "benchmarks/results/peers.json is missing"
    for path, fill in (
        (peer_page.PAGE, peer_page.with_tables),
        (peer_page.README, peer_page.with_short_table),
    ):
        page = path.read_text(encoding="utf-8")
        assert fill(page, kept) == page, "run python benchmarks/peer_page.py"
