"""What `edge-mtl bench` compares: every model in every engine that is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from edge_mtl.bundle import NETWORK, Bundle
from edge_mtl.errors import EdgeMtlError, UsageError

if TYPE_CHECKING:
    from edge_mtl.benchmark.contender import Contender
    from edge_mtl.benchmark.result import Accuracy
    from edge_mtl.network.network import Network
    from edge_mtl.reference import MaskSize
    from edge_mtl.runtime.pipeline import Pipeline

ALL = "all"


@dataclass(slots=True)
class Opened:
    """The contenders, in the order in which they take turns, and a pipeline of each by its name.

    skipped: by name, why one that was not asked for by name does not run.
    """

    contenders: list[Contender] = field(default_factory=list)
    pipelines: dict[str, Pipeline] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)


Measure = Callable[["Pipeline"], "Accuracy"]
"""Measures the accuracy of a network in the engine that it runs in."""


@contextmanager
def open_contenders(
    models: Sequence[str],
    engines: Sequence[str],
    threads: int | None,
    mask_size: MaskSize,
    trusted: Path | None,
    measure: Measure | None,
) -> Iterator[Opened]:
    """Open every model in every engine; of the engines that only "all" means, those that are not
    there or refuse a network are skipped.

    measure: for the accuracy; None for what the export measured.

    Raises:
        UsageError: the same model or engine twice, or an engine that nobody knows.
        EdgeMtlError: a model cannot be opened, or not in an engine that was asked for by name, or
            nothing is left to measure.
    """
    for what, names in (("model", models), ("engine", engines)):
        if len(set(names)) < len(names):
            raise UsageError(f"expected every {what} once, found {', '.join(names)}")
    opened = Opened()
    with ExitStack() as stack:
        for model in models:
            for engine, named in _engines_for(model, engines, trusted, opened):
                try:
                    contender, pipeline = _open(model, engine, threads, mask_size, trusted, measure)
                except EdgeMtlError as error:
                    if named:
                        raise
                    opened.skipped[f"{model}, {engine}"] = str(error)
                    continue
                stack.callback(pipeline.close)
                opened.contenders.append(contender)
                opened.pipelines[contender.name] = pipeline
        if not opened.contenders:
            reasons = "; ".join(f"{name}: {why}" for name, why in opened.skipped.items())
            raise EdgeMtlError(f"nothing to measure: {reasons}")
        yield opened


def _engines_for(
    model: str, engines: Sequence[str], trusted: Path | None, opened: Opened
) -> Iterator[tuple[str, bool]]:
    """The engines that are to run a model, and whether each was asked for by name."""
    for engine in engines:
        if engine != ALL:
            yield engine, True
            continue
        from edge_mtl.cli.model_files import open_model
        from edge_mtl.runtime.engines import ENGINES

        found = open_model(model, "auto", trusted)
        if not isinstance(found, Bundle):
            yield "torch", False
            continue
        for name, entry in ENGINES.items():
            if find_spec(entry.module) is None:
                opened.skipped[f"{model}, {name}"] = "not installed"
            elif not entry.suits(found):
                opened.skipped[f"{model}, {name}"] = "the bundle has no engine for it"
            elif name not in engines:
                yield name, False


def _open(
    model: str,
    engine: str,
    threads: int | None,
    mask_size: MaskSize,
    trusted: Path | None,
    measure: Measure | None,
) -> tuple[Contender, Pipeline]:
    from edge_mtl.benchmark.accuracy import accuracy_of
    from edge_mtl.benchmark.contender import Contender
    from edge_mtl.cli.model_files import open_model, open_pipelines

    found = open_model(model, engine, trusted)
    [pipeline] = open_pipelines(found, engine, threads, mask_size)
    running = pipeline.engine.name
    accuracy = accuracy_of(found.manifest) if isinstance(found, Bundle) else None
    if measure is not None:
        accuracy = measure(pipeline)
    options = ["--engine", running, "--masks", mask_size]
    options += [] if threads is None else ["--threads", str(threads)]
    contender = Contender(
        name=f"{Path(model).stem if '/' in model else model}, {running}",
        model=model,
        engine=running,
        engine_version=_version_of(running),
        precision=found.manifest.precision if isinstance(found, Bundle) else "fp32",
        network_sha256=_sha256_of(found),
        accuracy=accuracy,
        open=partial(_open_more, found, running, threads, mask_size),
        arguments=(model, *options),
    )
    return contender, pipeline


def _open_more(
    found: Bundle | Network,
    engine: str,
    threads: int | None,
    mask_size: MaskSize,
    count: int,
    frames: int,
) -> list[Pipeline]:
    from edge_mtl.cli.model_files import open_pipelines

    return open_pipelines(found, engine, threads, mask_size, count, frames)


def _version_of(engine: str) -> str:
    from edge_mtl.runtime.engines import ENGINES

    module = ENGINES[engine].module if engine in ENGINES else engine
    try:
        return version(module)
    except PackageNotFoundError:
        found = __import__(module)
        return str(getattr(found, "__version__", "unknown"))


def _sha256_of(found: Bundle | Network) -> str:
    if isinstance(found, Bundle):
        return found.manifest.files[NETWORK].sha256
    from edge_mtl.export.exporter import weights_sha256

    return weights_sha256(found)
