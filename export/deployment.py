"""Bundles of an export, as they are measured and as they are deployed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import onnx

from edge_mtl.bundle import NETWORK, Bundle
from edge_mtl.engine_file import EngineFile
from edge_mtl.export.build_progress import STEPS
from edge_mtl.export.edges import edge_tensors
from edge_mtl.export.engine_plan import build_files
from edge_mtl.export.precision import Precision, Trial
from edge_mtl.export.tensorrt_builder import EngineRequest
from edge_mtl.spec import ModelSpec


class Deployment:
    """Makes the bundles that a target gets of trials; the engine of each is built once.

    Trials are told apart by their names.

    request: the engine that they get; None for none.
    tell: called as one is built.
    """

    def __init__(
        self,
        path: Path,
        target: str,
        request: EngineRequest | None,
        tell: Callable[[str, int, int], None],
    ) -> None:
        self._path = path
        self._target = target
        self._request = request
        self._tell = tell
        self._built: dict[str, tuple[dict[str, bytes], dict[str, EngineFile]]] = {}

    def __call__(
        self, trial: Trial, beside: Mapping[str, bytes] | None = None, **facts: Any
    ) -> Bundle:
        """The bundle of a trial.

        beside: further files that go into it.
        facts: the fields of its `Manifest` that say how it was made.

        Raises:
            EdgeMtlError: as of `build_engine`.
        """
        files: dict[str, bytes] = {}
        engines: dict[str, EngineFile] = {}
        if self._request is not None:
            files, engines = self._engine(trial, self._request)
        return bundle_of(
            *(self._path, trial.bundle.spec, self._target, trial.precision, trial.model),
            {**files, **(beside or {})},
            engines=engines,
            **facts,
        )

    def _engine(
        self, trial: Trial, request: EngineRequest
    ) -> tuple[dict[str, bytes], dict[str, EngineFile]]:
        if trial.name not in self._built:
            self._tell("engine", 0, STEPS)
            wanted = replace(request, half=trial.precision != "fp32")
            network = trial.model.SerializeToString()
            self._built[trial.name] = build_files(network, wanted, partial(self._tell, "engine"))
            self._tell("engine", STEPS, STEPS)
        return self._built[trial.name]


def bundle_of(
    path: Path,
    spec: ModelSpec,
    target: str,
    precision: Precision,
    model: onnx.ModelProto,
    files: Mapping[str, bytes] | None = None,
    **facts: Any,
) -> Bundle:
    """The bundle of a graph.

    files: others that go into it.
    facts: the fields of its `Manifest` that say how it was made.
    """
    return Bundle.create(
        path,
        {NETWORK: model.SerializeToString(), **(files or {})},
        spec=spec,
        target=target,
        precision=precision,
        **edge_tensors(model, spec)._asdict(),
        **facts,
    )
