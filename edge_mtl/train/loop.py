"""The training loop.

A run lives in `runs/NAME/`: `config.json` (the resolved configuration), `metrics.jsonl` (a line an
epoch), `best.safetensors` and `last.safetensors` (averaged weights with their spec), and
`state.safetensors`, from which an interrupted run goes on with the same result (bit by bit on a
CPU; on a GPU as far as its kernels are deterministic).
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import lightning_fabric
import msgspec
import torch
from rich.progress import Progress as Bar
from torch import nn

from edge_mtl.data.align import Alignment
from edge_mtl.data.datasets import Dataset, open_dataset
from edge_mtl.errors import EdgeMtlError
from edge_mtl.evaluation.accuracy import Accuracy, evaluate
from edge_mtl.evaluation.segmentation import SegmentationAccuracy
from edge_mtl.network.checkpoint import save_checkpoint
from edge_mtl.network.engine import TorchEngine
from edge_mtl.network.network import Network
from edge_mtl.train.average import WeightAverage
from edge_mtl.train.batch import Batch, TrainingData
from edge_mtl.train.config import TrainConfig
from edge_mtl.train.fine_tuning import make_network, set_modes
from edge_mtl.train.journal import append_epoch
from edge_mtl.train.losses import Losses
from edge_mtl.train.memory import keep_freed_memory
from edge_mtl.train.optimizer import make_optimizer, set_learning_rate
from edge_mtl.train.state import Progress, load_state, save_state


class TrainingError(EdgeMtlError):
    """A run has diverged."""


def train(config: TrainConfig, runs: Path, bar: Bar) -> Path:
    """Train, or go on where an interrupted run of the same name stopped; give the run's folder.

    Raises:
        TrainingError: the loss or its gradient is not finite.
        UsageError: a data set is unknown, or labels nothing that the model has.
        EdgeMtlError: a data set cannot be opened, ImageNet weights are asked for and not there, or
            the folder holds a run of another configuration.
    """
    keep_freed_memory()
    folder = runs / config.name
    fabric = lightning_fabric.Fabric(devices=1, precision=choose_precision(config))
    fabric.seed_everything(config.seed, verbose=False)

    data = TrainingData(config)
    val = open_dataset(config.data.val.data, config.data.val.split, config.data.val_limit)
    Alignment(val.vocabulary, config.model)  # refuses data that cannot be measured before training
    network = make_network(config)
    model, optimizer = fabric.setup(network, make_optimizer(network, config))
    average = WeightAverage(network, config.ema)
    progress = Progress()
    state = folder / "state.safetensors"
    if state.exists():
        progress = load_state(state, config, network, optimizer, average)
    losses = Losses(config.model, data.class_shares(), fabric.device)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_bytes(msgspec.json.format(msgspec.json.encode(config), indent=2))

    epochs = range(progress.epoch, config.epochs)
    batches = iter(data.loader(epochs))
    row = bar.add_task("train", total=config.epochs * data.steps, completed=progress.step)
    for epoch in epochs:
        started = time.monotonic()
        set_modes(network, config)
        means: dict[str, float] = {}
        step = progress.step
        for batch in itertools.islice(batches, data.steps):
            set_learning_rate(optimizer, config, step / data.steps)
            found = _step(fabric, model, optimizer, losses, batch.to(fabric.device), config)
            average.update(network, step)
            step += 1
            for name, value in found.items():
                means[name] = means.get(name, 0.0) + value / data.steps
            bar.update(row, completed=step, description=_describe(epoch, config, found))
        line: dict[str, Any] = {
            "epoch": epoch + 1,
            "step": step,
            "loss": means,
            "learning_rate": optimizer.param_groups[-1]["lr"],
            "seconds": round(time.monotonic() - started, 2),
        }
        best = progress.best
        if (epoch + 1) % config.validate_every == 0 or epoch + 1 == config.epochs:
            accuracy = _validate(config, average, fabric.device, val, bar)
            line["val"] = accuracy.to_json()
            best = max(best, score(accuracy))
        # What a resumed run needs comes last: until then the epoch counts as not done.
        if best > progress.best:
            save_checkpoint(folder / "best.safetensors", config.model, average.weights)
        save_checkpoint(folder / "last.safetensors", config.model, average.weights)
        append_epoch(folder / "metrics.jsonl", line)
        progress = Progress(epoch=epoch + 1, step=step, best=best)
        save_state(state, config, progress, network, optimizer, average)
    return folder


def choose_precision(config: TrainConfig) -> Literal["32-true", "bf16-mixed"]:
    """What "auto" means here: bf16 where the processor computes it, emulated it is slower."""
    if config.precision != "auto":
        return config.precision
    if torch.cuda.is_available():
        there = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        # An older torch does not tell what the processor can do.
        tell: Callable[[], dict[str, Any]] = getattr(torch.cpu, "get_capabilities", dict)
        there = bool(tell().get("amx_bf16"))
    return "bf16-mixed" if there else "32-true"


def score(accuracy: Accuracy) -> float:
    """One figure to tell the best epoch by: the mean over measured tasks of mIoU and mAP50."""
    figures = [
        each.miou if isinstance(each, SegmentationAccuracy) else each.map50
        for each in accuracy.tasks.values()
    ]
    return sum(figures) / max(1, len(figures))


def _step(
    fabric: lightning_fabric.Fabric,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    losses: Losses,
    batch: Batch,
    config: TrainConfig,
) -> dict[str, float]:
    """One optimisation step; the loss of each task, and their weighted sum as "total"."""
    image = batch.image.contiguous(memory_format=torch.channels_last)
    found = losses(model(image), batch)
    weighted = [loss * config.loss_weights.get(name, 1.0) for name, loss in found.items()]
    total = torch.stack(weighted).sum()
    values = {name: float(value.detach()) for name, value in {**found, "total": total}.items()}
    if not total.isfinite():
        raise _diverged("loss", values, batch)
    if total.requires_grad:  # not where the whole batch happens to have no label
        optimizer.zero_grad(set_to_none=True)
        fabric.backward(total)
        norm = fabric.clip_gradients(
            model, optimizer, max_norm=config.gradient_clip, error_if_nonfinite=False
        )
        if norm is not None and not norm.isfinite():
            raise _diverged("gradient", values, batch)
        optimizer.step()
    return values


def _diverged(what: str, values: dict[str, float], batch: Batch) -> TrainingError:
    shown = ", ".join(f"{name} {value:.3g}" for name, value in values.items())
    return TrainingError(
        f"the {what} is not finite (losses: {shown}) on {', '.join(batch.names)}; lower "
        "learning_rate, or look at these samples. The checkpoints of the last whole epoch are kept"
    )


def _validate(
    config: TrainConfig, average: WeightAverage, device: torch.device, val: Dataset, bar: Bar
) -> Accuracy:
    network = Network(config.model).to(device)
    network.load_state_dict(average.weights)
    row = bar.add_task("validate", total=len(val))

    def advance(done: int, _: int) -> None:
        bar.update(row, completed=done)

    try:
        return evaluate(config.model, TorchEngine(network.eval(), config.model), val, advance)
    finally:
        bar.remove_task(row)


def _describe(epoch: int, config: TrainConfig, losses: dict[str, float]) -> str:
    shown = " ".join(f"{name} {value:.3f}" for name, value in losses.items())
    return f"epoch {epoch + 1}/{config.epochs} {shown}"
