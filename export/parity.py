"""The same frames through every stage of an export, and where exactness is lost.

The network in torch, its ONNX graph, the quantised graph and the engine that is to run it see the
same frames through the same kernels. What differs is told tensor by tensor, as what a stage adds to
the error of those before it, and task by task, so that the stage that went wrong has a name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edge_mtl.bundle import NETWORK, Bundle
from edge_mtl.data.datasets import Dataset
from edge_mtl.data.sample import Sample, Vocabulary
from edge_mtl.errors import EdgeMtlError, UsageError
from edge_mtl.export.edges import edge_tensors
from edge_mtl.export.gate import Verdict, judge
from edge_mtl.export.graph import onnx_from_network
from edge_mtl.export.yardstick import Yardstick
from edge_mtl.network.engine import TorchEngine
from edge_mtl.network.network import Network
from edge_mtl.reference import dequantise
from edge_mtl.runtime.engines import Engine, open_engine
from edge_mtl.runtime.pipeline import Pipeline
from edge_mtl.spec import ModelSpec

CHECKED_FRAMES = 16
"""How many frames say enough: an error that matters is in all of them."""

Kind = Literal["truth", "graph", "quantised", "engine"]

ADDS: Mapping[Kind, float] = {"truth": 0.0, "graph": 1e-3, "quantised": 0.5, "engine": 0.1}
"""How much of a tensor's spread each kind of stage may add to its error. Of driving-s, float32
rounding adds 1e-6, 8 bits between all layers 0.02 to 0.34, and another engine that rounds the same
8 bits 0.001 at most; what is really wrong adds about 1."""

_REMEDIES: Mapping[Kind, str] = {
    "truth": "",
    "graph": "try another version of torch or onnxruntime",
    "quantised": "calibrate with more frames or with frames like these, or export with fp32",
    "engine": "try another engine or another version of it",
}


class ParityError(EdgeMtlError):
    """A stage of an export does something else than the one before it."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A network on the way from training to a board.

    kind: what it is, and so what it may add: a row of `ADDS`.
    """

    name: str
    engine: Engine
    kind: Kind


@dataclass(frozen=True, slots=True)
class TensorError:
    """Root mean square differences of a tensor over all frames, as shares of the standard deviation
    that it has in the first stage; infinite where a value is none.

    in_all: to the first stage.
    added: to the stage before. Two engines that round the same 8 bits each in its own way differ
        from each other as much as from the first stage: that alone is no mistake.
    before: of the stage before to the first one.
    """

    in_all: float
    added: float
    before: float

    @property
    def grown(self) -> float:
        """How much the stage has made worse; below zero where it is better."""
        return self.in_all if math.isinf(self.in_all) else self.in_all - self.before


@dataclass(frozen=True, slots=True)
class StageParity:
    """What one stage, but the first, does to the frames.

    tensors: by the name of an input or a raw output.
    verdicts: by task, how far its scenes agree with those of the first stage.
    kind: as of `Stage`.
    """

    name: str
    kind: Kind
    tensors: dict[str, TensorError]
    verdicts: list[Verdict]

    @property
    def adds(self) -> float:
        """How much worse it may make a tensor."""
        return ADDS[self.kind]

    @property
    def worst(self) -> str:
        """The tensor that it has made worse than all others."""
        return max(self.tensors, key=lambda name: self.tensors[name].grown)

    @property
    def passed(self) -> bool:
        return self.tensors[self.worst].grown <= self.adds


@dataclass(frozen=True, slots=True)
class Parity:
    """Stage by stage, from the first on that is the truth."""

    first: str
    frames: int
    stages: tuple[StageParity, ...]

    @property
    def wrong(self) -> StageParity | None:
        """The first stage that adds more than its kind may."""
        return next((stage for stage in self.stages if not stage.passed), None)

    def check(self) -> None:
        """Raises:
        ParityError: a stage is wrong; the first one is named, and its worst tensor.
        """
        wrong = self.wrong
        if wrong is not None:
            raise ParityError(
                f"stage {wrong.name!r} goes wrong: expected at most {wrong.adds:g} of a tensor's "
                f"spread as error, found {wrong.tensors[wrong.worst].grown:.3g} more in "
                f"{wrong.worst!r} than in the stage before; {_REMEDIES[wrong.kind]}"
            )

    def to_json(self) -> dict[str, Any]:
        return {
            "first": self.first,
            "frames": self.frames,
            "stages": [
                {
                    "name": stage.name,
                    "adds": stage.adds,
                    "passed": stage.passed,
                    "tensors": {
                        name: {"in_all": _number(each.in_all), "added": _number(each.added)}
                        for name, each in stage.tensors.items()
                    },
                    "tasks": {
                        each.task: {"figure": each.figure, "agreement": each.after}
                        for each in stage.verdicts
                    },
                }
                for stage in self.stages
            ],
        }


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


@contextmanager
def stages_of(network: Network, bundle: Bundle, engine: str = "auto") -> Iterator[list[Stage]]:
    """The stages between a network and its bundle in an engine; they are closed behind you.

    Torch, the float ONNX graph, then, of an 8-bit bundle, its graph in ONNX Runtime, and last the
    bundle in `engine` where that is another one.

    Raises:
        UsageError: the bundle was not made of this network.
        ExportError: the ONNX graph cannot be made.
        EdgeMtlError: an engine is missing or refuses a network.
    """
    found, expected = network.spec, bundle.spec
    if (found.input, found.output_tensors) != (expected.input, expected.output_tensors):
        raise UsageError(
            f"expected the network that {bundle.path} was made of, {expected.name}, found "
            f"{found.name} with another input or other raw outputs; give its own checkpoint"
        )
    with ExitStack() as opened:

        def stage(name: str, made: Engine, kind: Kind) -> Stage:
            opened.callback(made.close)
            return Stage(name, made, kind)

        stages = [stage("torch", TorchEngine(network, network.spec), "truth")]
        graph = onnx_from_network(network)
        floating = Bundle.create(
            bundle.path,
            {NETWORK: graph.SerializeToString()},
            spec=network.spec,
            target=bundle.manifest.target,
            precision="fp32",
            **edge_tensors(graph, network.spec)._asdict(),
        )
        stages.append(stage("ONNX", open_engine("onnxruntime", floating), "graph"))
        if bundle.manifest.precision != "fp32":
            exported = open_engine("onnxruntime", bundle)
            stages.append(stage(f"{bundle.manifest.precision} ONNX", exported, "quantised"))
        last = open_engine(engine, bundle)
        if last.name == "onnxruntime":
            last.close()
        else:
            stages.append(stage(f"in {last.name}", last, "engine"))
        yield stages


def compare(
    spec: ModelSpec,
    stages: Sequence[Stage],
    frames: Dataset,
    report: Callable[[str, int, int], None] | None = None,
) -> Parity:
    """Run the frames through all stages.

    Args:
        spec: what all stages solve.
        stages: the first of them is the truth; at least two.
        frames: pictures; labels are not looked at.
        report: called with what is done, how much of it and out of how much.
    """
    tell = report or (lambda what, done, total: None)
    pipelines = [
        Pipeline(spec, stage.engine, mask_size="network", raw_on_host=True) for stage in stages
    ]
    sums = [_Sums() for _ in stages]
    for index in range(len(frames)):
        sample = frames[index]
        tensors = []
        for pipeline in pipelines:
            pipeline(sample.image, planes=sample.planes)
            tensors.append(_floats(pipeline.engine))
        for i, sum_ in enumerate(sums):
            sum_.add(tensors[i], tensors[0], tensors[max(0, i - 1)])
        tell("tensors", index + 1, len(frames))
    first = stages[0]
    yardstick = Yardstick(
        spec, first.engine, _Unlabelled(frames), partial(tell, f"scenes of {first.name}")
    )
    seen = [
        yardstick(stage.engine, partial(tell, f"scenes of {stage.name}")) for stage in stages[1:]
    ]
    return Parity(
        first.name,
        len(frames),
        tuple(
            StageParity(
                stage.name,
                stage.kind,
                sums[i].errors(sums[0], sums[i - 1]),
                judge(yardstick.before, seen[i - 1]),
            )
            for i, stage in enumerate(stages)
            if i > 0
        ),
    )


class _Unlabelled:
    """The frames alone: what is asked is whether the stages agree, not whether they are right."""

    vocabulary = Vocabulary({})

    def __init__(self, frames: Dataset) -> None:
        self.name = frames.name
        self._frames = frames

    def __len__(self) -> int:
        return len(self._frames)

    def __getitem__(self, index: int) -> Sample:
        sample = self._frames[index]
        return Sample(sample.image, sample.name, planes=sample.planes)


def _floats(engine: Engine) -> dict[str, NDArray[np.float32]]:
    """What an engine has just read and written, by name, in the network's own units."""
    buffers = {engine.input_tensor.name: engine.image, **engine.planes, **engine.outputs}
    tensors = (engine.input_tensor, *engine.plane_tensors, *engine.output_tensors)
    return {each.name: np.array(dequantise(each, buffers[each.name])) for each in tensors}


class _Sums:
    """Sums over the values of every tensor of one stage."""

    def __init__(self) -> None:
        self._count: dict[str, int] = {}
        self._of: dict[str, NDArray[np.float64]] = {}  # values, squares, and of both differences

    def add(
        self,
        found: dict[str, NDArray[np.float32]],
        first: dict[str, NDArray[np.float32]],
        before: dict[str, NDArray[np.float32]],
    ) -> None:
        for name, values in found.items():
            value = values.astype(np.float64)
            sums = [
                value.sum(),
                np.square(value).sum(),
                np.square(value - first[name]).sum(),
                np.square(value - before[name]).sum(),
            ]
            self._of[name] = self._of.get(name, np.zeros(4)) + sums
            self._count[name] = self._count.get(name, 0) + value.size

    def errors(self, first: _Sums, before: _Sums) -> dict[str, TensorError]:
        """Of a stage, with the sums of the first one and of the one before."""
        errors = {}
        for name in self._of:
            spread = first._spread(name)
            in_all, added = (_share(each, spread) for each in self._differences(name))
            errors[name] = TensorError(in_all, added, _share(before._differences(name)[0], spread))
        return errors

    def _spread(self, name: str) -> float:
        total, squares, *_ = self._of[name] / self._count[name]
        return math.sqrt(max(squares - total**2, 0.0))

    def _differences(self, name: str) -> tuple[float, float]:
        in_all, added = np.sqrt(self._of[name][2:] / self._count[name]).tolist()
        return in_all, added


def _share(error: float, spread: float) -> float:
    if error == 0.0:
        return 0.0
    # A tensor that is the same everywhere has no spread to compare with.
    share = error / spread if spread > 0.0 else math.inf
    return share if math.isfinite(share) else math.inf
