"""The engine "auto": the fastest that works, measured once and kept."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_mtl.bundle import Bundle
from edge_mtl.cache_folder import cache_folder
from edge_mtl.errors import EdgeMtlError
from edge_mtl.runtime import engines
from edge_mtl.runtime.engines import Engine, EngineEntry, Opening, open_engine, open_engines


@pytest.fixture
def choices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where choices are kept: an empty folder that is not there yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return cache_folder("engines")


class StubEngine:
    """Takes a known time and remembers whether it was closed."""

    def __init__(self, name: str, bundle: Bundle, latency_s: float) -> None:
        self.name = name
        self.input_tensor = bundle.manifest.input
        self.output_tensors = bundle.manifest.outputs
        self.image: NDArray[Any] = np.zeros(1)
        self.planes: Mapping[str, NDArray[Any]] = {}
        self.plane_tensors = bundle.manifest.planes
        self.outputs: Mapping[str, NDArray[Any]] = {}
        self.closed = False
        self.runs = 0
        self._latency_s = latency_s

    def infer(self, frames: int = 1) -> None:
        self.runs += 1
        time.sleep(self._latency_s)

    def close(self) -> None:
        self.closed = True


def table(*stubs: StubEngine | Exception) -> dict[str, EngineEntry]:
    def opener(stub: StubEngine | Exception) -> Any:
        def open_stub(bundle: Bundle, how: Opening) -> list[Engine]:
            if isinstance(stub, Exception):
                raise stub
            return [stub]

        return open_stub

    return {f"stub{i}": EngineEntry(f"m{i}", "cpu", opener(s)) for i, s in enumerate(stubs)}


def test_auto_takes_the_faster_and_closes_the_other(
    tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    slow, fast = StubEngine("slow", tiny_bundle, 0.02), StubEngine("fast", tiny_bundle, 0.002)
    monkeypatch.setattr(engines, "ENGINES", table(slow, fast))
    caplog.set_level(logging.INFO, "edge_mtl")
    start = time.perf_counter()
    assert open_engine("auto", tiny_bundle) is fast
    assert time.perf_counter() - start < 1.0
    assert (slow.closed, fast.closed) == (True, False)
    assert "engine auto: stub1 (stub0 2" in caplog.text


def test_auto_takes_what_works(
    tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    works = StubEngine("works", tiny_bundle, 0.0)
    refuses, absent = EdgeMtlError("refused"), ModuleNotFoundError("absent")
    monkeypatch.setattr(engines, "ENGINES", table(refuses, absent, works))
    assert open_engine("auto", tiny_bundle) is works
    assert "refused" in caplog.text
    monkeypatch.setattr(engines, "ENGINES", table(absent, refuses))
    with pytest.raises(EdgeMtlError, match="refused"):
        open_engine("auto", tiny_bundle)


def test_an_engine_that_fails_on_its_first_run_is_closed(
    tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub = StubEngine("stub0", tiny_bundle, 0.0)

    def fail(frames: int = 1) -> None:
        raise RuntimeError("first line\nno kernel for Conv\n")

    monkeypatch.setattr(stub, "infer", fail)
    monkeypatch.setattr(engines, "ENGINES", table(stub))
    with pytest.raises(EdgeMtlError, match=r"stub0 refuses the network \(no kernel for Conv\)"):
        open_engine("stub0", tiny_bundle)
    assert stub.closed


def remembered(bundle: Bundle, threads: int | None = None) -> Any:
    return open_engines("auto", bundle, Opening(threads, remember=True))[0]


@pytest.fixture
def slow_and_fast(
    tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> tuple[StubEngine, StubEngine]:
    slow, fast = StubEngine("slow", tiny_bundle, 0.01), StubEngine("fast", tiny_bundle, 0.0)
    monkeypatch.setattr(engines, "ENGINES", table(slow, fast))
    return slow, fast


def test_the_choice_is_made_once(
    tiny_bundle: Bundle,
    slow_and_fast: tuple[StubEngine, StubEngine],
    choices: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "edge_mtl")
    slow, fast = slow_and_fast
    assert remembered(tiny_bundle) is fast
    tried = slow.runs
    assert remembered(tiny_bundle) is fast
    assert slow.runs == tried, "the slower one was opened again"
    assert "engine auto: stub1, as measured earlier" in caplog.text
    assert len(list(choices.iterdir())) == 1
    assert remembered(tiny_bundle, threads=1) is fast
    assert slow.runs > tried, "another number of threads is another question"


def test_a_choice_that_cannot_be_trusted_is_made_anew(
    tiny_bundle: Bundle, slow_and_fast: tuple[StubEngine, StubEngine], choices: Path
) -> None:
    slow, fast = slow_and_fast
    remembered(tiny_bundle)
    [file] = choices.iterdir()
    whole = file.read_bytes()
    for damaged in (b"", whole[:-5], whole.replace(b"stub1", b"stub7"), b"[]", b"\xff"):
        file.write_bytes(damaged)
        tried = slow.runs
        assert remembered(tiny_bundle) is fast
        assert slow.runs > tried, damaged
        assert file.read_bytes() != damaged
    month_ago = time.time() - 31 * 86400
    os.utime(file, (month_ago, month_ago))
    tried = slow.runs
    remembered(tiny_bundle)
    assert slow.runs > tried


def test_the_fastest_of_earlier_is_no_more(
    tiny_bundle: Bundle,
    slow_and_fast: tuple[StubEngine, StubEngine],
    choices: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slow, _ = slow_and_fast
    remembered(tiny_bundle)
    monkeypatch.setattr(engines, "ENGINES", table(slow, EdgeMtlError("refused")))
    assert remembered(tiny_bundle) is slow


def test_a_folder_that_cannot_be_written_costs_the_time_alone(
    tiny_bundle: Bundle,
    slow_and_fast: tuple[StubEngine, StubEngine],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    _, fast = slow_and_fast
    for _ in range(2):
        assert remembered(tiny_bundle) is fast


def test_openvino_keeps_what_it_compiled_and_bears_damage(
    tiny_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("openvino", reason="the extra cpu is not installed")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def result() -> bytes:
        [engine] = open_engines("openvino", tiny_bundle, Opening(1, remember=True))
        engine.image.fill(7)
        engine.infer()
        outputs = b"".join(engine.outputs[name].tobytes() for name in sorted(engine.outputs))
        engine.close()
        return outputs

    first = result()
    [blob] = cache_folder("openvino").glob("*.blob")
    assert result() == first
    whole = blob.read_bytes()
    blob.chmod(0o644)
    for damaged in (b"", whole[: len(whole) // 2]):
        blob.write_bytes(damaged)
        assert result() == first
        blob.chmod(0o644)


def test_old_networks_of_openvino_make_room(
    tiny_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("openvino", reason="the extra cpu is not installed")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = cache_folder("openvino")
    folder.mkdir(parents=True)
    for number in range(20):
        old = folder / f"{number}.blob"
        old.touch()
        os.utime(old, (number, number))
    open_engines("openvino", tiny_bundle, Opening(1, remember=True))[0].close()
    left = {each.name for each in folder.glob("*.blob")}
    assert len(left) == 16
    assert "19.blob" in left
    assert "0.blob" not in left
