"""What is kept of benchmarks says nothing of the folders of whoever ran them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import labelled_frames
import pytest

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"
# Every Linux has these, and names of cameras and sensors are among them.
ABSOLUTE = re.compile(r"(?:^|[\s:=])/(?!dev/|proc/|sys/)\w")


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for each in value:
            yield from texts(each)
    elif isinstance(value, dict):
        for key, each in value.items():
            yield key
            yield from texts(each)


@pytest.mark.parametrize("path", sorted(RESULTS.rglob("*.json")), ids=lambda path: path.name)
def test_no_path_of_a_machine_is_kept(path: Path) -> None:
    found = list(texts(json.loads(path.read_text("utf-8"))))
    assert found
    assert [text for text in found if ABSOLUTE.search(text)] == []


def test_labelled_frames_are_named_without_the_folder_they_lie_in() -> None:
    class Frames:
        name = f"camvid:{labelled_frames.CAMVID}/val"

    assert ABSOLUTE.search(Frames.name)
    assert labelled_frames.name(Frames()) == "camvid:camvid/val"  # type: ignore[arg-type]
