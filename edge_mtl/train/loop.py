"""The training loop.

A run lives in `runs/NAME/`: `config.json` (the resolved configuration), `metrics.jsonl` (a line an
epoch), `best.safetensors` and `last.safetensors` (averaged weights with their spec), and
`state.safetensors`, from which an interrupted run goes on with the same result (bit by bit on a
CPU; on a GPU as far as its kernels are deterministic). Each file is replaced as a whole, the state
last: whenever a run is killed, they are those of a whole epoch.

Several processes, started by torchrun, train as one: each takes its part of every batch, and they
agree on losses, gradients and statistics. The first one alone writes files and validates. But for
the order of sums they end as one process does, except where a batch norm is trained or a loss is a
ratio over a batch (Lovasz, Dice): there each sees its own part. PyTorch's `SyncBatchNorm`, which
would see the whole, runs on GPUs only.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

import lightning_fabric
import msgspec
import numpy as np
import torch
from rich.progress import Progress as Bar

from edge_mtl.data.align import Alignment
from edge_mtl.data.datasets import Dataset
from edge_mtl.data.skipping import Skipping, SkipReport
from edge_mtl.errors import UsageError
from edge_mtl.network.checkpoint import save_checkpoint
from edge_mtl.network.narrowing import is_narrow
from edge_mtl.train.batch import Batch
from edge_mtl.train.config import TrainConfig
from edge_mtl.train.distillation.distillation import Distillation
from edge_mtl.train.fine_tuning import set_modes
from edge_mtl.train.journal import Journal
from edge_mtl.train.learner import Learner, make_learner
from edge_mtl.train.losses import Losses
from edge_mtl.train.memory import keep_freed_memory
from edge_mtl.train.optimizer import set_learning_rate
from edge_mtl.train.processes import gather, leave, process_count, start_fabric
from edge_mtl.train.state import (
    Progress,
    load_state,
    restore_learner,
    save_state,
    tensors_from_learner,
)
from edge_mtl.train.step import Step
from edge_mtl.train.tally import Tally
from edge_mtl.train.training_data import TrainingData, open_source
from edge_mtl.train.validation import validate
from edge_mtl.train.whole_file import write_whole

_logger = logging.getLogger(__name__)


def train(config: TrainConfig, runs: Path, bar: Bar) -> Path:
    """Train, or go on where an interrupted run of the same name stopped; give the run's folder.

    Raises:
        TrainingError: a loss or the gradient is not finite.
        UsageError: a data set is unknown, or labels nothing that the model has; there are more
            processes than GPUs, or than samples in a batch; the folder cannot be written.
        EdgeMtlError: a data set cannot be opened, weights to start from are asked for and not
            there, or the folder holds a run of another configuration.
    """
    keep_freed_memory()
    folder = runs / config.name
    _Run(config, folder, start_fabric(choose_precision(config)), bar).train()
    leave()
    return folder


def choose_precision(config: TrainConfig) -> Literal["32-true", "bf16-mixed"]:
    """What "auto" means here: bf16 where the processor computes it, emulated it is slower.

    Not where 8 bits are learned: a bf16 has as few, and the two roundings would add up.
    """
    if config.quantization_aware:
        return "32-true"
    if config.precision != "auto":
        return config.precision
    if torch.cuda.is_available():
        there = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        # An older torch does not tell what the processor can do.
        tell: Callable[[], dict[str, Any]] = getattr(torch.cpu, "get_capabilities", dict)
        there = bool(tell().get("amx_bf16"))
    return "bf16-mixed" if there else "32-true"


class _Run:
    """One process of a run."""

    def __init__(
        self, config: TrainConfig, folder: Path, fabric: lightning_fabric.Fabric, bar: Bar
    ) -> None:
        self._config = config
        self._folder = folder
        self._fabric = fabric
        self._bar = bar
        self._first = fabric.is_global_zero
        fabric.seed_everything(config.seed, verbose=False)
        self._data = TrainingData(config, (fabric.global_rank, fabric.world_size))
        self._report = SkipReport()
        self._val = _open_val(config, self._report)
        self._learner, self._progress = self._resumed()
        self._pruned = is_narrow(config.model, self._learner.average.weights)
        losses = Losses(config.model, self._data.class_shares(), fabric.device, config.loss)
        distillation = None
        if config.distillation is not None:
            distillation = Distillation(config.distillation, config.model, fabric.device)
        self._step = Step(fabric, self._learner, losses, config.gradient_clip, distillation)

    def _resumed(self) -> tuple[Learner, Progress]:
        """Where the run stands: in every process what the first one finds in its folder."""
        state = self._folder / "state.safetensors"
        there = self._first and state.exists()
        fresh = self._first and not there
        learner = make_learner(self._config, self._fabric.device, fresh)
        progress = load_state(state, self._config, learner) if there else Progress()
        if process_count() > 1:
            # Off its device, or the others would put it on the first one's.
            tensors = {key: each.cpu() for key, each in tensors_from_learner(learner).items()}
            progress, tensors = self._fabric.broadcast((progress, tensors))
            restore_learner(learner, tensors)
        return learner, progress

    def train(self) -> None:
        config, data = self._config, self._data
        if self._first:
            self._open_folder()
        journal = Journal(self._folder, self._progress.step, config.tensorboard and self._first)
        epochs = range(self._progress.epoch, config.epochs)
        total = config.epochs * data.steps
        row = self._bar.add_task("train", total=total, completed=self._progress.step)
        with closing(data.batches(epochs)) as batches, closing(journal):
            for epoch in epochs:
                line = self._train_epoch(epoch, batches, row)
                if self._first:
                    self._finish_epoch(line, journal)
                self._fabric.barrier()

    def _open_folder(self) -> None:
        """Refuses before training what could not be written after it."""
        encoded = msgspec.json.format(msgspec.json.encode(self._config), indent=2)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            for left in self._folder.glob(".*.part"):  # of a run that was killed
                left.unlink()
            write_whole(self._folder / "config.json", encoded)
        except OSError as error:
            raise UsageError(
                f"{self._folder}: expected a folder that can be written, found: "
                f"{error.strerror}; choose another place with --runs"
            ) from None

    def _train_epoch(self, epoch: int, batches: Iterator[Batch], row: Any) -> dict[str, Any]:
        config, data, learner = self._config, self._data, self._learner
        set_modes(learner.network, config)
        # Each epoch anew: nothing of the random numbers has to be kept for a run that goes on.
        sequence = np.random.SeedSequence([config.seed, epoch, self._fabric.global_rank])
        torch.manual_seed(int(sequence.generate_state(1)[0]))
        tally = Tally()
        for step in range(epoch * data.steps, (epoch + 1) * data.steps):
            set_learning_rate(learner.optimizer, config, step / data.steps)
            taken = list(tally.timed(itertools.islice(batches, data.accumulate)))
            result = self._step(taken)
            learner.average.update(learner.network, step)
            tally.add(taken, result, data.samples // data.steps)
            shown = f"epoch {epoch + 1}/{config.epochs}, loss {result.totals[-1]:.3f}, "
            shown += f"{tally.images_per_second:.1f} images/s"
            self._bar.update(row, completed=step + 1, description=shown)
        learner.weighting.end_epoch(tally.losses)
        skipped = set(gather(tally.skipped))
        if self._first:
            self._report.add(sorted(skipped))
        return {
            "epoch": epoch + 1,
            "step": (epoch + 1) * data.steps,
            **tally.line(),
            "learning_rate": learner.optimizer.param_groups[-1]["lr"],
            "skipped": len(skipped),
        }

    def _finish_epoch(self, line: dict[str, Any], journal: Journal) -> None:
        """Validate and write. What a resumed run needs comes last: until then the epoch counts as
        not done."""
        config, folder, epoch = self._config, self._folder, line["epoch"]
        weights = self._learner.average.weights
        shown = f"epoch {epoch}/{config.epochs}: loss {line['loss']['total']:.4g}"
        best = self._progress.best
        self._save("last.safetensors")  # before a validation, which can fail
        if epoch % config.validate_every == 0 or epoch == config.epochs:
            device = self._fabric.device
            accuracy = validate(config.model, weights, device, self._val, self._bar)
            line["val"] = accuracy.to_json()
            shown += f", val {accuracy.headline:.4f}"
            if accuracy.headline > best:
                best = accuracy.headline
                self._save("best.safetensors")
        journal.append(line)
        self._progress = Progress(epoch=epoch, step=line["step"], best=best)
        save_state(folder / "state.safetensors", config, self._progress, self._learner)
        _logger.info("%s, %.1f images/s", shown, line["images_per_second"])

    def _save(self, name: str) -> None:
        weights = self._learner.average.weights
        save_checkpoint(self._folder / name, self._config.model, weights, pruned=self._pruned)


def _open_val(config: TrainConfig, report: SkipReport) -> Dataset:
    """Refuses before training what could not be measured after it."""
    dataset = open_source(config.data.val, config.data.val_limit)
    Alignment(dataset.vocabulary, config.model)
    return Skipping(dataset, report)
