"""Training of the network that ships: our loop against a plain one, in images a second.

    python -m pytest benchmarks/bench_train.py

The plain loop has the same network, data, augmentation, losses and kind of optimiser, but what a
PyTorch script does by default: planar pictures, batch norms of their own, an allocator that gives
memory back, 32-bit floats. Ours also clips the gradient, averages the weights and watches for what
is not finite. Both load with as many workers as the recipe has, and wait for them where they must.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import cv2
import lightning_fabric
import msgspec
import numpy as np
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from report import Ratio, Report, all_rounds_ms, median_ms
from torch.utils.data import DataLoader, Dataset

from edge_mtl import zoo
from edge_mtl.config import load_config
from edge_mtl.data.align import Alignment
from edge_mtl.data.augment import augment
from edge_mtl.data.camvid import CamVid
from edge_mtl.data.sample import Sample
from edge_mtl.network.layers import ConvLayer
from edge_mtl.train.batch import Batch, batch_from_samples
from edge_mtl.train.config import DataConfig, DataSource, TrainConfig
from edge_mtl.train.fine_tuning import make_network, set_modes
from edge_mtl.train.learner import make_learner
from edge_mtl.train.loop import choose_precision
from edge_mtl.train.losses import Losses
from edge_mtl.train.memory import keep_freed_memory
from edge_mtl.train.step import Step
from edge_mtl.train.training_data import TrainingData

ROUNDS, WARM_UP = 4, 1
PICTURES, SIZE = 32, (480, 360)

pytestmark = pytest.mark.benchmark(group="training")
_plain_ms: list[float] = []


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> TrainConfig:
    """The recipe of the network that ships, on pictures of blurred noise in CamVid's layout."""
    root = tmp_path_factory.mktemp("camvid")
    rng = np.random.default_rng(0)
    for folder in ("train", "trainannot"):
        (root / folder).mkdir()
    for index in range(PICTURES):
        noise = rng.integers(0, 256, (SIZE[1] // 8, SIZE[0] // 8, 4), np.uint8)
        large = cv2.resize(noise, SIZE, interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(root / "train" / f"{index}.png"), large[..., :3])
        cv2.imwrite(str(root / "trainannot" / f"{index}.png"), large[..., 3] // 22)
    recipe = load_config(zoo.locate("driving-s", ".toml"), TrainConfig)
    source = DataSource(data=f"camvid:{root}", draws=8 * PICTURES)
    data = DataConfig(
        train=(source,), val=DataSource(data=source.data), workers=recipe.data.workers
    )
    loss = msgspec.structs.replace(recipe.loss, auxiliary=0.0)  # the plain loop has no such heads
    return msgspec.structs.replace(
        recipe, data=data, loss=loss, init="", imagenet=False, precision="auto"
    )


class PlainDataset(Dataset[Sample]):
    """A picture at a time, augmented as ours."""

    def __init__(self, config: TrainConfig) -> None:
        self._config = config
        self._dataset = CamVid(Path(config.data.train[0].data.partition(":")[2]), "train")
        self._alignment = Alignment(self._dataset.vocabulary, config.model)

    def __len__(self) -> int:
        return 8 * PICTURES

    def __getitem__(self, index: int) -> Sample:
        config, rng = self._config, np.random.default_rng(index)

        def aligned(picture: int) -> Sample:
            return self._alignment(self._dataset[picture])

        width, height = config.crop
        return augment(
            aligned(index % PICTURES),
            (width, height),
            config.augmentation,
            rng,
            config.model.input.pad,
            partner=lambda: aligned(int(rng.integers(PICTURES))),
            spec=config.model,
        )

    def collate(self, samples: list[Sample]) -> Batch:
        return batch_from_samples(samples, self._config.model)


def losses_of(config: TrainConfig, device: torch.device) -> Losses:
    shares = {task.name: np.full(len(task.classes), 0.1) for task in config.model.segmentations}
    return Losses(config.model, shares, device, config.loss)


def test_plain_loop(benchmark: BenchmarkFixture, config: TrainConfig) -> None:
    """First: what ours asks of the allocator cannot be taken back."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = make_network(config).to(device)
    network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    network.train()
    for layer in network.backbone.modules():
        if isinstance(layer, ConvLayer):
            layer.eval()  # its norm is frozen, and stands for itself
    optimizer = torch.optim.AdamW(network.parameters(), lr=config.learning_rate)
    losses = losses_of(config, device)
    dataset = PlainDataset(config)
    loader = DataLoader(
        dataset,
        config.batch,
        shuffle=True,
        num_workers=config.data.workers,
        collate_fn=dataset.collate,
        multiprocessing_context="spawn" if config.data.workers else None,
    )
    batches = iter(loader)

    def step() -> None:
        batch = next(batches).to(device)
        found = losses(network(batch.image), batch)
        total = torch.stack(
            [config.loss_weights.get(name, 1.0) * loss for name, loss in found.items()]
        ).sum()
        optimizer.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        total.item()

    measure(benchmark, step, config.batch)
    _plain_ms.extend(all_rounds_ms(benchmark))


@pytest.mark.parametrize("precision", ["32-true", "auto"])
def test_our_loop(
    benchmark: BenchmarkFixture, report: Report, config: TrainConfig, precision: str
) -> None:
    config = msgspec.structs.replace(config, precision=precision)
    keep_freed_memory()
    fabric = lightning_fabric.Fabric(devices=1, precision=choose_precision(config))
    learner = make_learner(config, fabric.device, fresh=True)
    set_modes(learner.network, config)
    step = Step(fabric, learner, losses_of(config, fabric.device), config.gradient_clip)
    with closing(TrainingData(config).batches(range(1))) as batches:

        def train() -> None:
            step([next(batches)])
            learner.average.update(learner.network, 0)

        measure(benchmark, train, config.batch)
    ours_ms = all_rounds_ms(benchmark)
    if ours_ms and _plain_ms:
        ratio = Ratio.apart(f"a training step, {precision}", ours_ms, "a plain loop", _plain_ms)
        report.ratios.append(ratio)
        benchmark.extra_info.update(ratio.to_json())


def measure(benchmark: BenchmarkFixture, step: Callable[[], None], batch: int) -> None:
    """Time a step; note the images a second of the median one."""
    benchmark.pedantic(step, rounds=ROUNDS, warmup_rounds=WARM_UP)
    took_ms = median_ms(benchmark)
    if took_ms is not None:
        benchmark.extra_info["images_per_second"] = round(1e3 * batch / took_ms, 2)
