from __future__ import annotations

import pytest

from edge_mtl.errors import UsageError
from edge_mtl.export.batch import ONE_FRAME
from edge_mtl.export.devices import DEVICES, find_device
from edge_mtl.export.schemes import SCHEMES


@pytest.mark.parametrize("name", DEVICES)
def test_a_row_holds_together(name: str) -> None:
    device = find_device(name)
    assert device.target in SCHEMES
    assert 1 <= device.batch.least <= device.batch.best <= device.batch.most
    builds = SCHEMES[device.target].builds
    assert bool(device.compute_capability) == (builds is not None)
    assert bool(device.tensorrt) == (builds == "tensorrt")
    if device.tensorrt:
        first, last = device.tensorrt
        assert device.takes_tensorrt(first)
        assert device.takes_tensorrt(f"{last}.0.26")
        assert not device.takes_tensorrt("8.5.3")
        assert not device.takes_tensorrt("12.0")


def test_versions_are_compared_as_numbers() -> None:
    nano = find_device("jetson-orin-nano")
    assert nano.takes_tensorrt("10.3.0.30")
    assert not nano.takes_tensorrt("10.13.3")
    assert not find_device("jetson-thor").takes_tensorrt("10.3.0")
    assert find_device("rtx-4090").takes_tensorrt("1.7.1")


def test_the_boards_of_the_readme() -> None:
    orin, thor = find_device("jetson-agx-orin"), find_device("jetson-thor")
    assert (orin.compute_capability, orin.dla_cores) == ("8.7", 2)
    assert (thor.compute_capability, thor.dla_cores) == ("11.0", 0)
    assert find_device("jetson-orin-nano").batch == ONE_FRAME
    assert find_device("jetson-orin-nano").workspace_mb == 1024
    assert find_device("cpu").workspace_mb is None


def test_an_unknown_device_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="unknown device 'orin-nano'; did you mean 'jetson-orin-n"):
        find_device("orin-nano")
