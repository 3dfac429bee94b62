from __future__ import annotations

import pytest

from edge_mtl.errors import UsageError
from edge_mtl.export.schemes import SCHEMES, scheme


def test_targets_by_name() -> None:
    assert [scheme(name) for name in SCHEMES] == list(SCHEMES.values())
    assert not scheme("cpu").signed
    assert scheme("tensorrt").signed


def test_an_unknown_target_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="unknown target 'tensorrt-rtc'; did you mean 'tensorrt-r"):
        scheme("tensorrt-rtc")
