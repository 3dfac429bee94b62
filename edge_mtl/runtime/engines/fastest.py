"""The engine "auto": the one that runs a network fastest among those that are installed here."""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median

import msgspec

from edge_mtl.bundle import NETWORK, Bundle
from edge_mtl.cache_folder import cache_folder, keep
from edge_mtl.errors import EdgeMtlError
from edge_mtl.machine import Machine
from edge_mtl.runtime import engines as known
from edge_mtl.runtime.engines import Engine, EngineEntry, Opening, close_all, open_warm

_log = logging.getLogger(__name__)

_TRIAL_S = 0.6
_TRIAL_ROUNDS = 30
_FORMAT = 1
_VALID_S = 30 * 86400
"""A choice that was made while the machine was busy is not to stay for ever."""


class _Choice(msgspec.Struct, forbid_unknown_fields=True):
    """What a file of the cache holds: the engine, and by engine its median when it was chosen."""

    format: int
    key: str
    engine: str
    times_ms: dict[str, float]


def open_fastest(bundle: Bundle, how: Opening) -> list[Engine]:
    """Engines of the kind with the lowest median latency; arguments and errors as of
    `open_engines`.

    All that are installed are opened and run in turn. With `how.remember` that is done once for a
    network, a machine and the versions that are installed there, and again after 30 days.
    """
    suitable = {name: entry for name, entry in known.ENGINES.items() if entry.suits(bundle)}
    path = _path(bundle, suitable, how) if how.remember else None
    if path is not None and (chosen := _recalled(path, suitable)) is not None:
        try:
            engines = open_warm(chosen, bundle, how)
        except (ImportError, EdgeMtlError) as error:
            _log.debug("engine auto: %s was the fastest and is gone: %s", chosen, error)
        else:
            _log.info("engine auto: %s, as measured earlier", chosen)
            return engines
    opened = _open_all(bundle, suitable, how)
    if len(opened) == 1:
        [(name, engines)] = opened.items()
        _log.info("engine auto: %s, the only one that runs this network here", name)
        return engines
    times_ms = _medians_ms({name: engines[0] for name, engines in opened.items()})
    fastest = min(times_ms, key=times_ms.__getitem__)
    for name, engines in opened.items():
        if name != fastest:
            close_all(engines)
    told = ", ".join(f"{name} {time_ms:.2f} ms" for name, time_ms in times_ms.items())
    _log.info("engine auto: %s (%s)", fastest, told)
    if path is not None:
        keep(path, msgspec.json.encode(_Choice(_FORMAT, path.stem, fastest, times_ms)))
    return opened[fastest]


def _open_all(
    bundle: Bundle, suitable: Mapping[str, EngineEntry], how: Opening
) -> dict[str, list[Engine]]:
    """By name, the engines that are installed and take the network; at least one."""
    opened: dict[str, list[Engine]] = {}
    problems: list[EdgeMtlError] = []
    for name in suitable:
        engines = _open_if_usable(name, bundle, how, problems)
        if engines:
            opened[name] = engines
    if not opened:
        if problems:
            raise problems[0]
        extras = sorted({entry.extra for entry in suitable.values()})
        raise EdgeMtlError(
            f"no engine is installed, expected one of {', '.join(suitable)}: "
            f"pip install 'edge-mtl[{','.join(extras)}]'"
        )
    for problem in problems:
        _log.warning("%s", problem)
    return opened


def _open_if_usable(
    name: str, bundle: Bundle, how: Opening, problems: list[EdgeMtlError]
) -> list[Engine]:
    """The engines; none where it is not installed or, with a note in `problems`, does not fit."""
    try:
        return open_warm(name, bundle, how)
    except ImportError as error:
        _log.debug("engine %s is not installed: %s", name, error)
    except EdgeMtlError as error:
        problems.append(error)
    return []


def _medians_ms(engines: Mapping[str, Engine]) -> dict[str, float]:
    """By name, the median latency over at most `_TRIAL_S` seconds in all, at least 3 rounds; a run
    of each a round, so that whatever else the machine does slows all of them."""
    times_ms: dict[str, list[float]] = {name: [] for name in engines}
    start = time.perf_counter()
    for done in range(_TRIAL_ROUNDS):
        if done >= 3 and time.perf_counter() - start > _TRIAL_S:
            break
        for name, engine in engines.items():
            engine.infer()  # the other one has taken its place in the caches
            begin = time.perf_counter()
            engine.infer()
            times_ms[name].append((time.perf_counter() - begin) * 1e3)
    return {name: median(times) for name, times in times_ms.items()}


def _recalled(path: Path, suitable: Mapping[str, EngineEntry]) -> str | None:
    """The engine that a file names; None where there is none that can be trusted."""
    try:
        old_s = time.time() - path.stat().st_mtime
        choice = msgspec.json.decode(path.read_bytes(), type=_Choice)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    whole = (choice.format, choice.key) == (_FORMAT, path.stem)
    return choice.engine if whole and old_s < _VALID_S and choice.engine in suitable else None


def _path(bundle: Bundle, suitable: Mapping[str, EngineEntry], how: Opening) -> Path:
    """Where a choice is kept, by what it depends on: the network, the machine, and which engines
    are there."""
    machine = Machine.here()
    facts = (
        bundle.manifest.files[NETWORK].sha256,
        machine.processor,
        machine.cores,
        (how.threads, how.count, how.frames),
        [_installed(entry.module) for entry in suitable.values()],
    )
    key = hashlib.sha256(msgspec.json.encode(facts)).hexdigest()
    return cache_folder("engines") / f"{key}.json"


def _installed(module: str) -> tuple[str, int] | None:
    """Which file a module would be imported from and when that was made: another version has
    another one. None where there is none."""
    try:
        spec = importlib.util.find_spec(module)
        if spec is None or spec.origin is None:
            return None
        return spec.origin, Path(spec.origin).stat().st_mtime_ns
    except (ValueError, OSError):  # a module that was made in memory
        return None
