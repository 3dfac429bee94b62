"""Ranges that were calibrated before, kept between exports in the user's cache folder."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import onnx

from edge_mtl.cache_folder import cache_folder, keep
from edge_mtl.data.datasets import Dataset
from edge_mtl.export.calibration import CalibrationSettings, Ranges, activations, calibrate
from edge_mtl.export.schemes import Scheme
from edge_mtl.spec import ModelSpec

_FORMAT = 1


class _Entry(msgspec.Struct, forbid_unknown_fields=True):
    """What a file of the cache holds.

    key: of what the ranges are; digest: of the ranges, so that damage shows.
    """

    format: int
    key: str
    digest: str
    ranges: dict[str, tuple[float, float]]


def cached_ranges(
    model: onnx.ModelProto,
    spec: ModelSpec,
    scheme: Scheme,
    frames: Dataset,
    settings: CalibrationSettings,
    progress: Callable[[int, int], None] | None = None,
    folder: Path | None = None,
) -> Ranges:
    """As `calibrate`, without running the network where it was run before on the same frames.

    An entry is found by what the ranges depend on: the graph with its weights, the inputs of the
    spec, the pixels of every frame, the settings, and the signedness and operators of the scheme.
    One that is damaged, of another format or of other activations is calibrated anew, and a folder
    that cannot be written costs the time alone.

    folder: `cache_folder("ranges")` where it is not given.
    """
    names = activations(model, scheme)
    key = _key(model, spec, scheme, frames, settings)
    path = (folder or cache_folder("ranges")) / f"{key}.json"
    found = _read(path, key, names)
    if found is not None:
        if progress is not None:
            progress(len(frames), len(frames))
        return found
    ranges = calibrate(model, spec, scheme, frames, settings, progress)
    keep(path, msgspec.json.encode(_Entry(_FORMAT, key, _digest(ranges), ranges)))
    return ranges


def _key(
    model: onnx.ModelProto,
    spec: ModelSpec,
    scheme: Scheme,
    frames: Dataset,
    settings: CalibrationSettings,
) -> str:
    digest = hashlib.sha256(model.SerializeToString(deterministic=True))
    digest.update(msgspec.json.encode((_FORMAT, spec.input, spec.planes, str(settings))))
    digest.update(msgspec.json.encode((scheme.signed, scheme.operators)))
    planes = [plane.name for plane in spec.planes]
    for index in range(len(frames)):
        sample = frames[index]
        for array in (sample.image, *(sample.planes[name] for name in planes)):
            digest.update(repr(array.shape).encode())
            digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()


def _digest(ranges: Ranges) -> str:
    return hashlib.sha256(msgspec.json.encode(ranges)).hexdigest()


def _read(path: Path, key: str, names: list[str]) -> Ranges | None:
    """The ranges of a file; None where there is none that can be trusted."""
    try:
        entry = msgspec.json.decode(path.read_bytes(), type=_Entry)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    whole = (entry.format, entry.key, entry.digest) == (_FORMAT, key, _digest(entry.ranges))
    sound = all(-math.inf < low <= high < math.inf for low, high in entry.ranges.values())
    return entry.ranges if whole and sound and list(entry.ranges) == names else None
