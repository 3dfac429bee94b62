from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from edge_mtl import labelling
from edge_mtl.errors import EdgeMtlError, UsageError
from edge_mtl.labelling import Looking, TeacherEntry, open_teacher, open_teachers


class Poser:
    name = "poser"
    closed = False

    def keypoints(self, image: object, corners: object, /) -> None: ...

    def close(self) -> None:
        self.closed = True


class Teacher(Poser):
    keypoints = None  # type: ignore[assignment]

    def __call__(self, image: object, /) -> None: ...


def test_each_teacher_is_opened_with_its_file_and_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[tuple[str, Looking]] = []
    made = {"a": Teacher(), "b": Poser()}

    def entry(name: str) -> TeacherEntry:
        def opener(path: Path, looking: Looking) -> object:
            opened.append((f"{name} {path}", looking))
            return made[name]

        return TeacherEntry(opener, f"{name}:FILE")  # type: ignore[arg-type]

    monkeypatch.setattr(labelling, "TEACHERS", {name: entry(name) for name in made})
    looking = Looking(mirror=False, threads=3)
    with ExitStack() as stack:
        teachers, posers = open_teachers(["a:x.onnx", "b:dir/y"], looking, stack)
        assert opened == [("a x.onnx", looking), ("b dir/y", looking)]
        assert (teachers, posers) == ([made["a"]], [made["b"]])
        assert not made["a"].closed
    assert made["a"].closed
    assert made["b"].closed


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fastestdet", "'fastestdet' names no file; expected fastestdet:FILE.onnx"),
        ("movenet:", "'movenet:' names no file; expected movenet:FILE.tflite"),
        ("fastdet:net.onnx", "no teacher 'fastdet:net.onnx'; expected .* fastestdet:FILE.onnx"),
        ("driving-x", "did you mean 'driving-s'"),
    ],
)
def test_a_name_that_is_none(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        open_teacher(name, Looking())


def test_a_path_that_is_none(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="the extra train is not installed")
    with pytest.raises(EdgeMtlError, match="no such checkpoint"):
        open_teacher(str(tmp_path / "best.safetensors"), Looking())
    with pytest.raises(EdgeMtlError, match="no such bundle"):
        open_teacher(str(tmp_path / "best.emtl"), Looking())
