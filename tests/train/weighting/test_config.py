from __future__ import annotations

from typing import Any, get_args, get_type_hints

import msgspec
import pytest

from edge_mtl.train.weighting import METHODS, WeightingConfig


def test_every_method_can_be_chosen() -> None:
    assert set(get_args(get_type_hints(WeightingConfig)["method"])) == set(METHODS)


def test_fixed_is_the_default() -> None:
    assert msgspec.json.decode(b"{}", type=WeightingConfig).method == "fixed"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b'{"method": "mgda"}', "mgda"),
        (b'{"temperature": 2}', "temperature"),
        (b'{"method": "dwa", "dwa_temperature": 0}', "> 0"),
        (b'{"method": "gradnorm", "gradnorm_alpha": -1}', ">= 0"),
        (b'{"method": "gradnorm", "gradnorm_rate": 0}', "> 0"),
        (b'{"dwa_temperature": 1}', "option of dwa, found method = 'fixed'; .* method = 'dwa'"),
        (b'{"method": "dwa", "gradnorm_alpha": 1}', "option of gradnorm, found method = 'dwa'"),
    ],
)
def test_other_values_are_refused(text: bytes, message: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=message):
        msgspec.json.decode(text, type=WeightingConfig)


@pytest.mark.parametrize(
    "options",
    [
        {"method": "dwa", "dwa_temperature": 1.0},
        {"method": "gradnorm", "gradnorm_alpha": 0.0, "gradnorm_rate": 0.1},
    ],
)
def test_a_method_takes_its_own_options(options: dict[str, Any]) -> None:
    config = WeightingConfig(**options)
    assert msgspec.json.decode(msgspec.json.encode(config), type=WeightingConfig) == config
