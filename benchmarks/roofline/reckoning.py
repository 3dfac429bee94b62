"""How long launches take at least and at most, as far as published figures tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from roofline.launches import Launch
from roofline.published import (
    DEVICES,
    RESNET_50_AGX_ORIN_MS,
    RESNET_50_H100_A_SECOND,
    RESNET_50_MACS,
    PublishedDevice,
)

_WORST_BANDWIDTH = 0.5
"""The share of its bandwidth that a device reaches at worst: an assumption, not published."""


@dataclass(frozen=True)
class Rates:
    """What a device reaches. tensor_share: of its peak; bandwidth_share: of its memory's;
    launch_us: what each launch costs beside its work."""

    tensor_share: float
    bandwidth_share: float
    launch_us: float


def reckon(launches: Sequence[Launch], device: PublishedDevice, rates: Rates) -> float:
    """Milliseconds: each launch takes as long as the slowest of what it needs, and its launching.
    Depthwise convolutions are computed without tensor cores."""
    seconds = 0.0
    for each in launches:
        seconds += max(
            each.tensor_operations / (device.tensor_tops * 1e12 * rates.tensor_share),
            each.core_operations / (device.core_tflops * 1e12 * rates.tensor_share),
            each.moved_bytes / (device.gigabytes_s * 1e9 * rates.bandwidth_share),
        )
    return seconds * 1e3 + len(launches) * rates.launch_us / 1e3


def shares(device: PublishedDevice) -> tuple[float, float]:
    """The worst and the best share of the tensor cores' peak that published networks reach: what
    the operations cost by which a larger network exceeds the next smaller one."""
    found = [
        (larger.operations - smaller.operations) / (larger.ms - smaller.ms) / device.tensor_tops
        for smaller, larger in zip(device.runs, device.runs[1:], strict=False)
    ]
    return min(found), max(found)


def slow_launch_us(device: PublishedDevice) -> float:
    """What a layer of the smallest published network takes beside its operations: launching it,
    and the memory and the host too, so that it is more than a launch costs."""
    smallest = device.runs[0]
    operations_ms = smallest.operations / (device.tensor_tops * shares(device)[1])
    return (smallest.ms - operations_ms) * 1e3 / smallest.layers


def fast_launch_us(resnet_50: Sequence[Launch]) -> float:
    """What is left for each launch of ResNet-50 on AGX Orin where its work is done at the worst
    rates: a launch costs no less. 0 where nothing is left."""
    device = DEVICES["jetson-agx-orin"]
    work_ms = reckon(resnet_50, device, Rates(shares(device)[0], _WORST_BANDWIDTH, 0.0))
    return max(0.0, (RESNET_50_AGX_ORIN_MS - work_ms) * 1e3 / len(resnet_50))


def rates_of(name: str, resnet_50: Sequence[Launch]) -> tuple[Rates, Rates]:
    """The best and the worst that may be expected of a device.

    Where no network's times are published for it (H200), the best share is that of ResNet-50 in
    large batches on an H100, the worst that of any board, and a slow launch is one on Thor.
    """
    device = DEVICES[name]
    boards = [each for each in DEVICES.values() if each.runs]
    if device.runs:
        worst, best = shares(device)
        slow_us = slow_launch_us(device)
    else:
        worst = min(shares(each)[0] for each in boards)
        best = 2 * RESNET_50_MACS * RESNET_50_H100_A_SECOND / (device.tensor_tops * 1e12)
        slow_us = slow_launch_us(DEVICES["jetson-thor"])
    return (
        Rates(best, 1.0, fast_launch_us(resnet_50)),
        Rates(worst, _WORST_BANDWIDTH, slow_us),
    )
