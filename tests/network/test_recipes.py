"""The recipes that ship: their configuration holds, and their network can be made."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from edge_mtl import zoo
from edge_mtl.config import load_config
from edge_mtl.network.network import Network
from edge_mtl.train.config import TrainConfig

RECIPES = zoo.shipped(".toml")


def test_the_textbook_networks_have_one() -> None:
    assert {"driving-s", "fusionnet", "multitask-cnn", "multitask-resnet"} <= set(RECIPES)


@pytest.mark.parametrize("path", RECIPES.values(), ids=list(RECIPES))
def test_a_recipe_makes_its_network(path: Path) -> None:
    config = load_config(path, TrainConfig)
    assert config.name == config.model.name == path.stem
    spec = config.model
    with torch.device("meta"):
        outputs = Network(spec)(torch.zeros(spec.input_tensor.shape))
    shapes = {name: tuple(value.shape) for name, value in outputs.items()}
    assert shapes == {tensor.name: tensor.shape for tensor in spec.output_tensors}


@pytest.mark.parametrize("name", ["fusionnet", "multitask-cnn"])
def test_their_data_label_every_task(name: str) -> None:
    """Of what the class maps make out of rendered scenes, which have CamVid's classes and more."""
    from edge_mtl.data.align import Alignment
    from edge_mtl.data.datasets import open_dataset
    from edge_mtl.data.mapped import mapped

    config = load_config(RECIPES[name], TrainConfig)
    source = config.data.train[-1]
    dataset = mapped(open_dataset("rendered", "train", 1), source.classes)
    sample = Alignment(dataset.vocabulary, config.model)(dataset[0])
    labelled = {*sample.masks, *sample.attributes}
    assert labelled == {task.name for task in config.model.tasks}
