from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import pytest
from msgspec import Meta

from edge_mtl.config import convert_config, first_difference, load_config
from edge_mtl.errors import UsageError


class Optimizer(msgspec.Struct, forbid_unknown_fields=True):
    learning_rate: Annotated[float, Meta(gt=0)] = 1e-3
    warmup: int | None = None


class Crop(msgspec.Struct, forbid_unknown_fields=True, tag="crop"):
    size: int


class Flip(msgspec.Struct, forbid_unknown_fields=True, tag="flip"):
    chance: float = 0.5


class Config(msgspec.Struct, forbid_unknown_fields=True):
    epochs: int
    name: str = "a"
    optimizer: Optimizer = msgspec.field(default_factory=Optimizer)
    augment: tuple[Crop | Flip, ...] = ()


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(
        'epochs = 3\n[optimizer]\nlearning_rate = 0.1\n[[augment]]\ntype = "crop"\nsize = 7\n'
    )
    return path


def test_load(toml: Path) -> None:
    expected = Config(3, optimizer=Optimizer(0.1), augment=(Crop(7),))
    assert load_config(toml, Config) == expected


def test_overrides_are_toml_or_else_text(toml: Path) -> None:
    changed = load_config(
        toml, Config, ["epochs=9", "name=run-2", "optimizer.warmup=5", 'augment=[{type="flip"}]']
    )
    assert changed == Config(9, "run-2", Optimizer(0.1, 5), (Flip(),))


def test_an_override_makes_a_section_that_the_file_lacks(tmp_path: Path) -> None:
    path = tmp_path / "short.toml"
    path.write_text("epochs = 1")
    changed = load_config(path, Config, ["optimizer.learning_rate=0.5"])
    assert changed.optimizer.learning_rate == 0.5


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["epoch=4"], r"unknown key 'epoch'; did you mean 'epochs'\? Known here: augment, epochs"),
        (["optimizer.learning_rat=1"], "'optimizer.learning_rat'; did you mean 'learning_rate'"),
        (['augment=[{type="crop", sise=3}]'], r"unknown key 'augment\[0\].sise'.*'size'"),
        (["epochs=many"], "Expected `int`, got `str`"),
        (["optimizer.learning_rate=0"], "> 0.0"),
        (['augment=[{type="blur"}]'], "blur"),
        (["epochs"], "expected key=value"),
        (["=3"], "expected key=value"),
        (["epochs.first=3"], "'epochs' is a value, not a section"),
    ],
)
def test_wrong_overrides_say_what_is_wrong(toml: Path, overrides: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        load_config(toml, Config, overrides)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)


def test_wrong_files_say_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such configuration file"):
        load_config(tmp_path / "none.toml", Config)
    (tmp_path / "no.toml").write_text("epochs = = 3")
    with pytest.raises(UsageError, match="is not TOML"):
        load_config(tmp_path / "no.toml", Config)
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="is not TOML"):
        load_config(tmp_path / "binary.toml", Config)
    with pytest.raises(UsageError, match="is not TOML"):
        load_config(tmp_path, Config)


def test_a_key_that_must_be_there_is_named() -> None:
    with pytest.raises(UsageError, match=r"here\.toml: .*`epochs`"):
        convert_config({}, Config, "here.toml")


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (Config(3, "b"), 'expected name = "a", found "b"'),
        (Config(3, optimizer=Optimizer(1e-3, 5)), "expected optimizer.warmup = null, found 5"),
        (Config(3, augment=(Flip(0.1), Crop(7))), "expected augment[0].chance = 0.5, found 0.1"),
        (
            Config(3, augment=(Flip(),)),
            'expected augment = [{"type": "flip", "chance": 0.5}, {"type": "crop", "size": 7}], '
            'found [{"type": "flip", "chance": 0.5}]',
        ),
    ],
)
def test_the_first_difference_is_named_in_full(found: Config, message: str) -> None:
    expected = Config(3, augment=(Flip(), Crop(7)))
    if not found.augment:
        found = msgspec.structs.replace(found, augment=expected.augment)
    assert first_difference(expected, found) == message
    assert first_difference(expected, expected) is None
