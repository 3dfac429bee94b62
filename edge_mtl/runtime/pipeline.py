"""`Pipeline`: a camera's frame in, a `Scene` out; or those of several cameras at once."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge_mtl import zoo
from edge_mtl.bundle import Bundle
from edge_mtl.errors import EdgeMtlError
from edge_mtl.placement import Placement
from edge_mtl.reference import MaskSize
from edge_mtl.runtime.engines import Engine, GpuEngine, Opening, open_engines
from edge_mtl.runtime.host_stages import HostStages
from edge_mtl.scene import Scene
from edge_mtl.spec import MAX_FRAMES, ModelSpec

if TYPE_CHECKING:
    from edge_mtl.runtime.sources import Frame, Source


class NotFiniteError(EdgeMtlError):
    """A network gave values that are no numbers (NaN) or infinite."""


class Stages(Protocol):
    """What a pipeline does with frames, on the processor or on a GPU."""

    def __call__(
        self,
        frames: Sequence[NDArray[np.uint8]],
        planes: Sequence[Mapping[str, NDArray[np.uint8]]],
        placements: Sequence[Placement],
    ) -> tuple[list[Scene], dict[str, float]]:
        """What was seen in as many frames as the engine takes, or fewer, each with its planes, that
        lie so in the input, and the milliseconds of "preprocess", "engine" and "head"."""

    def close(self) -> None:
        """Release what is held beside the engine. Twice does no harm."""


class Pipeline:
    """Preprocessing, an engine and the head for one frame at a time, or for as many as the engine
    takes. Not safe across threads.

    Where the engine runs on a GPU, so do preprocessing and head, in one CUDA graph with it.

    Args:
        spec: what the network takes in and which tasks it solves.
        engine: the network that runs. The pipeline closes it.
        mask_size: "frame" for masks of the frame's size; "network" for masks of the size that the
            frame has in the network's input, which cost less.
        threads: how many threads the kernels work with; None for as many as help.
        raw_on_host: have every frame leave its picture in `engine.image` and its raw outputs in
            `engine.outputs`, which on a GPU costs the ways there and back.

    Raises:
        EdgeMtlError: the engine's tensors are not those of the spec, or a GPU cannot run the
            kernels.
    """

    def __init__(
        self,
        spec: ModelSpec,
        engine: Engine,
        *,
        mask_size: MaskSize = "frame",
        threads: int | None = None,
        raw_on_host: bool = False,
    ) -> None:
        self.spec = spec
        self.engine = engine
        self.mask_size = mask_size
        self._stages = _stages(spec, engine, mask_size, threads, raw_on_host)
        self._placements: dict[tuple[int, int], Placement] = {}
        on_host = isinstance(self._stages, HostStages)
        self._samples = _samples(engine) if on_host else {}

    @property
    def most_frames(self) -> int:
        """How many frames `batch` takes."""
        return self.engine.input_tensor.shape[0]

    @classmethod
    def open(
        cls,
        model: str | Path,
        engine: str = "auto",
        threads: int | None = None,
        mask_size: MaskSize = "frame",
        trusted: Path | None = None,
    ) -> Pipeline:
        """Open a bundle and the engine that runs it.

        Args:
            model: the path of a bundle, or the name of a network that ships with the package.
            engine: "onnxruntime", "openvino", "tensorrt", "tensorrt-rtx", or "auto" for the
                fastest of those that are installed and have what they need in the bundle.
            threads: how many threads may compute at once; None for all that can be used.
            mask_size: see `Pipeline`.
            trusted: a public key; only a bundle that its owner signed is opened.

        Raises:
            UsageError: no such shipped network or engine, or `trusted` is no public key.
            BundleError: the bundle is missing, damaged, of a newer format or not signed by the
                trusted key.
            EdgeMtlError: the engine is not installed or refuses the network.

        >>> with Pipeline.open("driving-s") as pipe:  # doctest: +SKIP
        ...     scene = pipe(frame)
        """
        bundle = Bundle.open(zoo.locate(str(model), ".emtl"), trusted)
        return cls.from_bundle(bundle, engine, threads, mask_size)

    @classmethod
    def from_bundle(
        cls,
        bundle: Bundle,
        engine: str = "auto",
        threads: int | None = None,
        mask_size: MaskSize = "frame",
    ) -> Pipeline:
        """Open the engine for a bundle that is in memory; arguments and errors as of `open`."""
        [pipeline] = cls.open_several(bundle, 1, engine, threads, mask_size)
        return pipeline

    @classmethod
    def open_several(
        cls,
        bundle: Bundle,
        count: int,
        engine: str = "auto",
        threads: int | None = None,
        mask_size: MaskSize = "frame",
        frames: int = 1,
    ) -> list[Pipeline]:
        """Open a bundle's engine once for several pipelines, each for a thread of its own.

        They share out `threads`: more of them give more frames a second and take longer for each.
        Which engine is the fastest is measured once for a network and a machine, and kept.
        Other arguments and errors as of `open`.

        Args:
            frames: the most that one gets at a time. Whether it takes as many is the engine's:
                see `most_frames`.
        """
        engines = open_engines(engine, bundle, Opening(threads, count, frames, remember=True))
        # Kernels of several pipelines at once would take each other's threads.
        each = threads if count == 1 else max(1, (threads or len(os.sched_getaffinity(0))) // count)
        try:
            return [cls(bundle.spec, one, mask_size=mask_size, threads=each) for one in engines]
        except BaseException:
            for one in engines:
                one.close()
            raise

    def __call__(
        self,
        frame: NDArray[np.uint8],
        *,
        planes: Mapping[str, NDArray[np.uint8]] | None = None,
        frame_index: int = 0,
        captured_ns: int = 0,
    ) -> Scene:
        """Look at one frame.

        Args:
            frame: (H, W, 3) uint8 BGR of any size; rows may lie apart, as in a crop.
            planes: by name, (H, W) uint8 of the frame's size, for a model that takes some: all of
                those; others are left.
            frame_index: the number that the scene carries.
            captured_ns: the time of capture that the scene carries (`time.monotonic_ns`).

        Raises:
            EdgeMtlError: the frame is no such array, or a plane is missing or does not fit it.
        """
        [scene], stages_ms = self._stages([frame], [planes or {}], [self._place(frame)])
        return msgspec.structs.replace(
            scene, frame_index=frame_index, captured_ns=captured_ns, stages_ms=stages_ms
        )

    def batch(self, frames: Sequence[Frame]) -> list[Scene]:
        """Look at several frames at once, as of several cameras; they may differ in size.

        Args:
            frames: 1 to `most_frames`.

        Returns:
            The scene of each, with its number and time of capture. The milliseconds of the stages
            are those of the whole batch.

        Raises:
            NotFiniteError: values of the network's, of which some are looked at, are not finite.
                On a GPU, where they stay, none are.
            EdgeMtlError: as of a call for one of the frames, or there are too many.
        """
        if not 1 <= len(frames) <= self.most_frames:
            raise EdgeMtlError(
                f"expected 1 to {self.most_frames} frames at once, found {len(frames)}; an engine "
                "for more is built with edge-mtl export --batch"
            )
        scenes, stages_ms = self._stages(
            [frame.image for frame in frames],
            [frame.planes for frame in frames],
            [self._place(frame.image) for frame in frames],
        )
        for name, sample in self._samples.items():
            if not np.isfinite(sample[: len(frames)]).all():
                raise NotFiniteError(
                    f"frame {frames[0].index}: the network's output {name!r} is not finite; is the "
                    "checkpoint sound, and does float16 overflow? Compare with edge-mtl eval "
                    "--against, or export it again with --precision fp32"
                )
        return [
            msgspec.structs.replace(
                scene, frame_index=frame.index, captured_ns=frame.captured_ns, stages_ms=stages_ms
            )
            for scene, frame in zip(scenes, frames, strict=True)
        ]

    def stream(self, source: str | Source) -> Iterator[Scene]:
        """The scenes of a source, until it ends. The source is closed with the iterator.

        Args:
            source: an open source, or what `sources.open_source` understands: a file, a folder,
                a camera, or "rendered".

        Raises:
            EdgeMtlError: the source cannot be opened or is lost.
        """
        from edge_mtl.runtime.sources import open_source

        opened = open_source(source) if isinstance(source, str) else source
        try:
            while (frame := opened.read()) is not None:
                yield self(
                    frame.image,
                    planes=frame.planes,
                    frame_index=frame.index,
                    captured_ns=frame.captured_ns,
                )
        finally:
            opened.close()

    def close(self) -> None:
        """Release the engine and what works around it. Twice does no harm."""
        self._stages.close()
        self.engine.close()

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _place(self, frame: NDArray[Any]) -> Placement:
        """Where the frame lies in the network's input; kept for the sizes of several cameras."""
        if not isinstance(frame, np.ndarray):
            raise EdgeMtlError(
                f"expected a frame as a (H, W, 3) uint8 array, found {type(frame).__name__}; "
                "was the image read? cv2.imread gives None where it fails"
            )
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or not frame.size:
            raise EdgeMtlError(
                "expected a frame of shape (H, W, 3), uint8, blue first, with at least one pixel, "
                f"found {frame.shape} {frame.dtype}; convert it, for example with cv2.cvtColor"
            )
        size = frame.shape[1], frame.shape[0]
        placement = self._placements.get(size)
        if placement is None:
            if len(self._placements) == MAX_FRAMES:
                self._placements.clear()
            placement = self._placements[size] = Placement.fit(size, self.spec.input)
        return placement


_SAMPLE = 256


def _samples(engine: Engine) -> dict[str, NDArray[Any]]:
    """By name, some values of every raw output that may hold something else than numbers: what is
    none in one layer is soon everywhere. Views of the engine's buffers, (N, values)."""
    samples = {}
    for name, values in engine.outputs.items():
        if values.dtype.kind == "f" and values.size:
            by_frame = values.reshape(len(values), -1)
            samples[name] = by_frame[:, :: max(1, by_frame.shape[1] // _SAMPLE)]
    return samples


def _stages(
    spec: ModelSpec,
    engine: Engine,
    mask_size: MaskSize,
    threads: int | None,
    raw_on_host: bool,
) -> Stages:
    if isinstance(engine, GpuEngine) and not raw_on_host:
        from edge_mtl.gpu.head_layout import MAX_CLASSES

        # What is too large for the GPU's head kernel is not for the processor's.
        if all(len(task.classes) <= MAX_CLASSES for task in spec.classifications):
            from edge_mtl.runtime.gpu_stages import GpuStages

            return GpuStages(spec, engine, mask_size)
    return HostStages(spec, engine, mask_size, threads)
