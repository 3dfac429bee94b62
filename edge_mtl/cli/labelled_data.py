"""A labelled data set, under the class names that a recipe gives it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from edge_mtl.data.datasets import Dataset

Recipe = Annotated[
    str | None,
    typer.Option(
        "--recipe",
        help="A training recipe (.toml, or one that ships) whose class map for this reader holds.",
    ),
]


def open_labelled(name: str, split: str, limit: int | None, recipe: str | None) -> Dataset:
    """Open a data set; with a recipe, under its class map for this data, else for the first data of
    the same reader.

    Raises:
        UsageError: the recipe uses no data of the reader, or see `open_dataset`.
        EdgeMtlError: the folder is not what the reader expects, or the recipe cannot be read.
    """
    from edge_mtl.data.datasets import open_dataset

    dataset = open_dataset(name, split, limit)
    if recipe is None:
        return dataset

    from edge_mtl import zoo
    from edge_mtl.config import load_config
    from edge_mtl.data.mapped import mapped
    from edge_mtl.errors import UsageError
    from edge_mtl.train.config import TrainConfig

    config = load_config(zoo.locate(recipe, ".toml"), TrainConfig)
    reader = name.partition(":")[0]
    sources = [config.data.val, *config.data.train]
    alike = [source for source in sources if source.data.partition(":")[0] == reader]
    if not alike:
        found = ", ".join(dict.fromkeys(source.data for source in sources))
        raise UsageError(
            f"recipe {recipe} says nothing of {reader!r} data, it has {found}; drop --recipe, or "
            "give one that was trained with such data"
        )
    # Two folders of one reader may need two maps.
    own = next((source for source in alike if source.data == name), alike[0])
    return mapped(dataset, own.classes)
