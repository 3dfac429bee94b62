from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from estimates import check, estimates
from roofline.launches import Launch
from roofline.published import DEVICES, NetworkRun, PublishedDevice
from roofline.reckoning import Rates, fast_launch_us, rates_of, reckon, shares, slow_launch_us

from edge_mtl.export.devices import DEVICES as KNOWN

PLAIN = PublishedDevice("test", 1.0, "INT8", 0.1, 10.0, ())
ALL = Rates(tensor_share=1.0, bandwidth_share=1.0, launch_us=0.0)
# About what ResNet-50 is: 56 launches, 8.2 * 10^9 operations, 25 MB of weights.
LIKE_RESNET_50 = [Launch(8.2e9 / 56, moved_bytes=8e5)] * 56


@pytest.mark.parametrize(
    ("launch", "ms"),
    [
        (Launch(tensor_operations=2e9, moved_bytes=1e7), 2.0),
        (Launch(tensor_operations=1e9, moved_bytes=5e7), 5.0),
        (Launch(core_operations=3e8), 3.0),
    ],
    ids=["arithmetic", "memory", "without tensor cores"],
)
def test_a_launch_takes_as_long_as_the_slowest_of_what_it_needs(launch: Launch, ms: float) -> None:
    assert reckon([launch], PLAIN, ALL) == pytest.approx(ms)
    assert reckon([launch] * 3, PLAIN, ALL) == pytest.approx(3 * ms)
    assert reckon([launch], PLAIN, Rates(0.5, 0.5, 10.0)) == pytest.approx(2 * ms + 0.01)


def test_shares_and_launches_come_from_what_networks_took() -> None:
    runs = (NetworkRun(1.0, 100, 5.0), NetworkRun(11.0, 150, 30.0), NetworkRun(21.0, 150, 50.0))
    device = PublishedDevice("test", 1.0, "INT8", 0.1, 10.0, (), runs)
    assert shares(device) == pytest.approx((0.4, 0.5))
    assert slow_launch_us(device) == pytest.approx((5.0 - 1.0 / 0.5) * 1e3 / 100)


def test_what_work_does_not_take_of_resnet_50_is_launching() -> None:
    assert 0 < fast_launch_us([Launch(1e8)] * 10) < 64
    assert fast_launch_us([Launch(1e12)] * 10) == 0


@pytest.mark.parametrize("name", DEVICES)
def test_the_published_rates_are_possible(name: str) -> None:
    best, worst = rates_of(name, LIKE_RESNET_50)
    assert 0.05 < worst.tensor_share < best.tensor_share < 0.6
    assert 0 <= best.launch_us < worst.launch_us < 50
    assert name in KNOWN
    assert all(re.search(r"https://\S+$", source) for source in DEVICES[name].sources)


def test_the_published_time_of_resnet_50_is_within_its_estimate() -> None:
    low, high = map(float, re.findall(r"([\d.]+) to ([\d.]+) ms", check(LIKE_RESNET_50))[0])
    assert low < 0.64 < high


def test_every_estimate_says_what_would_replace_it(parse_command: Callable[..., Any]) -> None:
    found = estimates(LIKE_RESNET_50, LIKE_RESNET_50).estimates
    assert [each.device for each in found] == list(DEVICES)
    for each in found:
        assert 0 < each.low_ms < each.high_ms
        assert each.basis.startswith("ESTIMATE")
        export, *others = each.command.split(" && ")
        _, options = parse_command(export.split()[1:])
        assert options["device"] == each.device
        assert [parse_command(other.split()[1:])[0] for other in others] == ["export", "bench"]
