"""`run_batch`: clips through workers of Ray Data, one clip at a time each, none lost or twice."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import secrets
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit

import ray
from ray.data import ActorPoolStrategy, DataContext

from edge_mtl.bundle import Bundle
from edge_mtl.drives.clip_run import ClipOutcome, run_clip, worker_name
from edge_mtl.drives.place import Place
from edge_mtl.drives.report import BatchReport
from edge_mtl.drives.result_folder import BatchRecord, ResultFolder, result_name
from edge_mtl.errors import EdgeMtlError
from edge_mtl.reference import MaskSize
from edge_mtl.runtime.engines import ENGINES
from edge_mtl.runtime.pipeline import Pipeline

_log = logging.getLogger(__name__)

_MOST_BLOCKS = 10_000
"""A block is a request to a worker, and the driver remembers all of them."""
_STORE_BYTES = 256 << 20
"""What a Ray of our own shares between its workers beside the bundle: rows of a few bytes."""

_ANSWER_S = 10.0


@dataclass(frozen=True, slots=True)
class Job:
    """What a worker has to know, sent to each once.

    bundle: read and verified where the batch was started; a worker needs no file of it.
    threads: of a worker.
    out: the folder of results, as every worker reaches it.
    """

    bundle: Bundle
    engine: str
    mask_size: MaskSize
    threads: int
    out: str

    @property
    def on_gpu(self) -> bool:
        """Whether a worker needs a GPU."""
        return self.engine in ENGINES and ENGINES[self.engine].built


class _Worker:
    """What Ray Data keeps in a process: a pipeline that is open.

    job: an `ObjectRef` of a `Job`.
    """

    def __init__(self, job: Any) -> None:
        # Before OpenCV is imported, as the command line does.
        os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
        os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
        found: Job = ray.get(job)
        self._blocked = ""
        try:
            self._results = ResultFolder(found.out)
            self._pipeline = Pipeline.from_bundle(
                found.bundle, found.engine, found.threads, found.mask_size
            )
        except (EdgeMtlError, OSError) as error:
            self._blocked = str(error)  # raised here, it would begin again without an end

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        clip = Place(row["store"], row["key"])
        if self._blocked:
            return asdict(ClipOutcome(clip.name, worker_name(), self._blocked, blocked=True))
        return asdict(run_clip(self._pipeline, clip, self._results))


def run_batch(
    job: Job,
    model: str,
    clips: list[Place],
    *,
    workers: int | None = None,
    address: str | None = None,
    on_outcome: Callable[[ClipOutcome], None] = lambda _: None,
    on_start: Callable[[int, int], None] = lambda workers, clips: None,
) -> BatchReport:
    """Make the results of the clips that have none yet.

    A worker that dies is replaced by Ray and its clip given to another; a result that is whole
    stays, whatever ends this. Failures are noted in the folder when it ends, in any way but a kill.

    Args:
        job: what the workers do.
        model: the name of the bundle, for people.
        workers: at most so many; None for as many as the processors (for a GPU's engine, the GPUs)
            are enough for.
        address: of a Ray cluster, as `ray.init` takes it; None for one of our own on this machine,
            with its processors, that ends with this.
        on_outcome: called with every outcome as it comes.
        on_start: called with the number of workers and of clips to do, where there are any.

    Raises:
        EdgeMtlError: the folder is not to be used (`ResultFolder.claimed`), there is no such
            cluster or it has not what a worker needs, a worker cannot run the bundle, or Ray ended.
    """
    results = ResultFolder(job.out)
    outcomes: dict[str, ClipOutcome] = {}
    elapsed_s = 0.0
    with results.claimed(BatchRecord.of(job.bundle, model, job.engine, job.mask_size)):
        results.note_clips(clips)
        whole = results.whole()
        left = [clip for clip in clips if result_name(clip) not in whole]
        try:
            if left:
                with _ray(address, job), _explained():
                    count = _count_workers(job, workers, len(left))
                    on_start(count, len(left))
                    start = time.perf_counter()
                    for outcome in _outcomes(job, left, count):
                        if outcome.blocked:
                            raise EdgeMtlError(f"{outcome.worker}: {outcome.failure}")
                        outcomes[outcome.clip] = outcome
                        on_outcome(outcome)
                    elapsed_s = time.perf_counter() - start
        finally:
            report = BatchReport(
                len(clips), len(clips) - len(left), elapsed_s, tuple(outcomes.values())
            )
            results.note_failures(report.failures, clips)
    return report


def _outcomes(job: Job, clips: list[Place], workers: int) -> Iterator[ClipOutcome]:
    """Of every clip one, in the order in which they come."""
    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    sent = ray.put(job)  # kept here: a worker that takes the place of a dead one asks for it again
    rows = [{"store": clip.store, "key": clip.key} for clip in clips]
    dataset = ray.data.from_items(rows, override_num_blocks=min(len(rows), _MOST_BLOCKS)).map(
        _Worker,
        fn_constructor_args=(sent,),
        # No clip waits behind another at one worker while a second has nothing to do.
        compute=ActorPoolStrategy(size=workers, max_tasks_in_flight_per_actor=1),
        num_cpus=job.threads,
        num_gpus=1 if job.on_gpu else None,
    )
    batches = dataset.iter_batches(batch_size=None, prefetch_batches=0, batch_format="pyarrow")
    for batch in batches:
        for row in batch.to_pylist():
            yield ClipOutcome(**row)


def _count_workers(job: Job, wanted: int | None, clips: int) -> int:
    """How many workers there can be, by processors and GPUs; at most one a clip."""
    there = ray.cluster_resources()
    processors = int(there.get("CPU", 0))
    room = processors // job.threads
    if job.on_gpu:
        room = min(room, int(there.get("GPU", 0)))
    if room < 1:
        needs = f"{job.threads} processors" + (" and a GPU" if job.on_gpu else "")
        raise EdgeMtlError(
            f"a worker needs {needs}; Ray has {processors} processors and "
            f"{int(there.get('GPU', 0))} GPUs: start nodes that have them, or use fewer --threads "
            "or another --engine"
        )
    return min(wanted or room, room, clips)


@contextmanager
def _ray(address: str | None, job: Job) -> Iterator[None]:
    """Be connected to a cluster, or have one of our own, quiet unless edge-mtl is to tell all."""
    loud = _log.isEnabledFor(logging.DEBUG)
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # it would call home
    settings: dict[str, Any] = {"address": address}
    if address is not None:
        _check_answers(address)
    else:
        # Its ports are open to the network, and it asks for a token: one for this run alone, where
        # Ray would keep one in the home directory.
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
        size = sum(map(len, job.bundle.files.values()))
        settings = {
            "address": "local",
            "num_cpus": len(os.sched_getaffinity(0)),
            "include_dashboard": False,
            "object_store_memory": _STORE_BYTES + 2 * size,
        }
    if not loud:
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
        settings |= {"log_to_driver": False, "logging_level": logging.ERROR}
        logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    # Ray prints what it has to say on standard output, which is for results.
    with contextlib.redirect_stdout(sys.stderr if loud else io.StringIO()):
        try:
            with contextlib.nullcontext() if loud else _no_stderr():
                ray.init(**settings)
        except (OSError, RuntimeError, ValueError) as error:
            reason = _first_line(error)
            if address is None:
                raise EdgeMtlError(f"Ray cannot be started on this machine: {reason}") from None
            raise EdgeMtlError(
                f"no Ray cluster at {address}: {reason}; is it running, of the same version, and "
                "is RAY_AUTH_TOKEN the cluster's?"
            ) from None
        try:
            yield
        finally:
            ray.shutdown()


def _check_answers(address: str) -> None:
    """Ray itself tries for minutes.

    Raises:
        EdgeMtlError: the address names a port at which nobody listens.
    """
    try:
        parts = urlsplit(address if "://" in address else f"//{address}")
        if parts.port is None:  # "auto"
            return
        socket.create_connection((parts.hostname, parts.port), _ANSWER_S).close()
    except (OSError, ValueError) as error:
        raise EdgeMtlError(
            f"no Ray cluster at {address}: {error}; expected HOST:PORT of its head, as "
            "`ray start --head` says it, or auto on a machine of the cluster"
        ) from None


@contextmanager
def _no_stderr() -> Iterator[None]:
    """Ray's core says on the descriptor itself how much it is going to say."""
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except ray.exceptions.RayError as error:
        raise EdgeMtlError(
            f"Ray ended the batch: {_first_line(error)}; the results that are whole stay: start it "
            "again to go on (--debug shows what Ray says)"
        ) from error


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
