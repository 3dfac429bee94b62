from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from edge_mtl import zoo
from edge_mtl.config import convert_config, load_config
from edge_mtl.errors import UsageError
from edge_mtl.train.config import TrainConfig


@pytest.mark.parametrize("name", zoo.shipped(".toml"))
def test_shipped_recipes_are_valid(name: str) -> None:
    assert load_config(zoo.shipped(".toml")[name], TrainConfig).name == name


def test_json_round_trip(make_config: Callable[..., TrainConfig]) -> None:
    config = make_config(loss_weights={"detection": 0.5})
    assert msgspec.json.decode(msgspec.json.encode(config), type=TrainConfig) == config


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"loss_weights": {"detectoin": 1.0}}, "'detectoin', .* did you mean 'detection'"),
        ({"crop": [64]}, r"crop must be \[width, height\], found \[64\]"),
        ({"crop": [64, 65]}, "multiple of 32"),
        ({"precision": "fp16"}, "fp16"),
        ({"seed": 1 << 32}, "seed"),
        ({"epohcs": 3}, "unknown key 'epohcs'; did you mean 'epochs'"),
        ({"ema": 1.0}, "< 1.0"),
        ({"accumulate": 0}, ">= 1"),
        ({"optimizer": "lamb"}, "lamb"),
        ({"loss": {"dice": -1.0}}, "dice"),
        ({"weighting": {"method": "dwa", "gradnorm_alpha": 1.0}}, "an option of gradnorm"),
    ],
)
def test_what_is_wrong_is_said(
    make_config: Callable[..., TrainConfig], change: dict[str, object], message: str
) -> None:
    data = {**msgspec.json.decode(msgspec.json.encode(make_config())), **change}
    with pytest.raises(UsageError, match=message):
        convert_config(data, TrainConfig, str(Path("run.toml")))


@pytest.mark.parametrize(
    ("train", "epoch_samples", "message"),
    [
        ([{"draws": 3, "weight": 1.0}], None, r"draws or weight, found both \(draws = 3, weight"),
        ([{"weight": 0}], None, "weight"),
        ([{"weight": 1.0}, {}], None, "for every data set or for none, found one for a"),
        ([{}], 10, "epoch_samples = 10 is shared out by weight, found no weight"),
    ],
)
def test_draws_and_weights_do_not_mix(
    make_config: Callable[..., TrainConfig],
    train: list[dict[str, object]],
    epoch_samples: int | None,
    message: str,
) -> None:
    data = msgspec.json.decode(msgspec.json.encode(make_config()))
    data["data"]["train"] = [{"data": "ab"[i], **each} for i, each in enumerate(train)]
    data["data"]["epoch_samples"] = epoch_samples
    with pytest.raises(UsageError, match=message):
        convert_config(data, TrainConfig, "run.toml")
