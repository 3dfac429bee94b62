"""The images are made of what the project declares."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "deploy" / "docker"
FILES = sorted(DOCKER.glob("*.Dockerfile"))
EXTRAS: dict[str, list[str]] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))[
    "project"
]["optional-dependencies"]


def text_of(name: str) -> str:
    return (DOCKER / f"{name}.Dockerfile").read_text(encoding="utf-8")


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[<>=!~ ;\[]", each)[0] for each in requirements}


def test_there_are_images_for_every_kind_of_machine() -> None:
    assert [path.stem for path in FILES] == ["cpu", "gpu", "jetson"]


@pytest.mark.parametrize(
    ("name", "extra", "renamed"),
    [
        ("cpu", "cpu", {"opencv-python": "opencv-python-headless"}),
        (
            "gpu",
            "gpu",
            {"opencv-python": "opencv-python-headless", "tensorrt": "tensorrt-cu13"},
        ),
    ],
)
def test_an_image_has_what_the_extra_brings_and_no_windows(
    name: str, extra: str, renamed: dict[str, str]
) -> None:
    needed = {renamed.get(each, each) for each in names(EXTRAS[extra])}
    text = text_of(name)
    default = re.search(r'ARG ENGINES="(.*)"', text)
    installed = text.replace("${ENGINES}", default[1] if default else "")
    assert {each for each in needed if not re.search(rf"(?<![\w-]){each}(?![\w-])", installed)} == (
        set()
    )
    assert "opencv-python " not in text


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_image_runs_as_nobody_in_particular_and_says_how_it_does(
    path: Path, parse_command: Callable[..., Any]
) -> None:
    text = path.read_text(encoding="utf-8")
    last = text[text.rindex("\nFROM ") :]
    [extras] = re.findall(r"\.whl\)\[(.*?)\]", text)
    assert set(extras.split(",")) <= EXTRAS.keys()
    assert not {"track", "train", "export", "rerun"} & set(extras.split(","))
    assert re.search(r"^USER [1-9]\d*$", last, re.MULTILINE)
    assert "http://127.0.0.1:8000/healthz" in last
    assert 'ENTRYPOINT ["edge-mtl"]' in last
    assert "g++" not in last
    [command] = re.findall(r'^CMD \["(.*)"\]$', last, re.MULTILINE)
    assert parse_command([command])[0] == "doctor"


def test_what_the_wheel_is_built_from_is_sent_and_nothing_else() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    sent = {line[1:] for line in lines if line.startswith("!")}
    assert lines[1] == "*"
    assert all((ROOT / name).exists() for name in sent)
    # The kernels, the package, the stage behind its link, and what pyproject.toml names.
    assert sent >= {"edge_mtl", "export", "kernels", "pyproject.toml", "README.md", "LICENSE"}


def test_hadolint_finds_nothing_wrong() -> None:
    hadolint = shutil.which("hadolint")
    if hadolint is None:
        pytest.skip("there is no hadolint")
    lint = [hadolint, "-c", DOCKER / ".hadolint.yaml", *FILES]
    done = subprocess.run(lint, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "")
