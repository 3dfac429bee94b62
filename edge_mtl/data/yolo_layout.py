"""Where a YOLO folder keeps its images and what it calls its classes.

Known are the description of Ultralytics, `data.yaml`, whose format is
https://docs.ultralytics.com/datasets/detect, and folders without one, which name their classes
line by line in `classes.txt` or a `.names` file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from edge_mtl.data.datasets import folder_listing
from edge_mtl.data.images import IMAGE_SUFFIXES
from edge_mtl.errors import EdgeMtlError
from edge_mtl.tasks import KEYPOINTS

_FOLDERS = {"train": ("train",), "val": ("val", "valid"), "test": ("test",)}
"""By split, what its folder may be called."""


class Description(msgspec.Struct, frozen=True):
    """What is used of a `data.yaml`.

    names: of the classes, in the order of their ids or by id.
    path: the folder that the splits are relative to.
    train, val, test: a folder of images, a file that lists images, or several of them.
    kpt_shape: number of keypoints and of values for each, where objects have keypoints.
    """

    names: list[str] | dict[int, str]
    path: str | None = None
    train: str | list[str] | None = None
    val: str | list[str] | None = None
    test: str | list[str] | None = None
    kpt_shape: tuple[int, int] | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        names = self.names if isinstance(self.names, dict) else dict(enumerate(self.names))
        return tuple(names[i] for i in sorted(names))

    @property
    def values_per_keypoint(self) -> int:
        """2 for x y, 3 for x y visibility, 0 for none."""
        return 0 if self.kpt_shape is None else self.kpt_shape[1]


def read_description(root: Path) -> Description:
    """What a folder says of itself, in its YAML file or its file of names.

    Raises:
        EdgeMtlError: it has neither, or the file is damaged or of other keypoints than COCO's.
    """
    yaml = _one_of(root, "data.yaml", ("*.yaml", "*.yml"))
    if yaml is not None:
        return _from_yaml(yaml)
    names = _one_of(root, "classes.txt", ("*.names",))
    if names is None:
        raise EdgeMtlError(
            f"{root}: expected data.yaml, classes.txt or one .names file that names the classes, "
            f"found {folder_listing(root)}; write classes.txt, a name a line"
        )
    try:
        lines = names.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise EdgeMtlError(f"{names}: expected a name a line, found {error}; mend it") from None
    while lines and not lines[-1].strip():
        lines.pop()
    return Description(names=[line.strip() for line in lines])


def find_images(root: Path, split: str, description: Description) -> list[Path]:
    """The images of a split, in order of their names.

    Raises:
        EdgeMtlError: there are none.
    """
    named: str | list[str] | None = getattr(description, split)
    if named:
        parts = [named] if isinstance(named, str) else named
        places = [_resolved(root, description.path, part) for part in parts]
    else:
        names = _FOLDERS[split]
        pairs = [(root / "images" / name, root / name / "images") for name in names]
        places = [next((place for pair in pairs for place in pair if place.is_dir()), pairs[0][0])]
    images = sorted(image for place in places for image in _images_of(place))
    if not images:
        raise EdgeMtlError(
            f"{root}: expected images of {split} in {' and '.join(map(str, places))}, found "
            f"{folder_listing(root)}; put them there or name their folder in data.yaml"
        )
    return images


def label_file(image: Path) -> Path:
    """The file of labels of an image: `images` in its path becomes `labels`, else beside it."""
    parts = list(image.with_suffix(".txt").parts)
    for place in range(len(parts) - 2, -1, -1):
        if parts[place] == "images":
            parts[place] = "labels"
            break
    return Path(*parts)


def _one_of(root: Path, name: str, patterns: Iterable[str]) -> Path | None:
    """The file of that name, or the only one of other names."""
    if (root / name).is_file():
        return root / name
    others = [path for pattern in patterns for path in root.glob(pattern)]
    return others[0] if len(others) == 1 else None


def _from_yaml(path: Path) -> Description:
    try:
        description = msgspec.yaml.decode(path.read_bytes(), type=Description)
    except ImportError:
        raise EdgeMtlError(
            f"{path}: reading YAML needs PyYAML, which is missing: pip install pyyaml"
        ) from None
    except (OSError, msgspec.DecodeError) as error:
        reason = " ".join(str(error).split())
        raise EdgeMtlError(f"{path}: not a description of data: {reason}; mend it") from None
    if isinstance(description.names, dict):
        expected = set(range(len(description.names)))
        if set(description.names) != expected:
            raise EdgeMtlError(
                f"{path}: expected names for the ids 0 to {len(expected) - 1}, found "
                f"{sorted(description.names)}; name every class"
            )
    shape = description.kpt_shape
    if shape is not None and shape not in ((len(KEYPOINTS), 2), (len(KEYPOINTS), 3)):
        raise EdgeMtlError(
            f"{path}: expected COCO's {len(KEYPOINTS)} keypoints of 2 or 3 values, found kpt_shape "
            f"{list(shape)}; drop kpt_shape and the keypoints to train the boxes alone"
        )
    return description


def _resolved(root: Path, path: str | None, part: str) -> Path:
    """The place of a part of the data, as it is meant.

    Descriptions are written for a folder that their `path` names from somewhere else, and some
    lead one folder too high: "../train/images".
    """
    bases = [root] if path is None else [root / path, root.parent / path, root]
    parts = [part, part.removeprefix("../")]
    places = [base / each for base in bases for each in parts]
    return next((place for place in places if place.exists()), root / part)


def _images_of(place: Path) -> Iterator[Path]:
    if place.is_dir():
        yield from (each for each in place.rglob("*") if each.suffix.lower() in IMAGE_SUFFIXES)
    elif place.is_file():
        try:
            lines = place.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError as error:
            raise EdgeMtlError(f"{place}: expected a path a line, found {error}; mend it") from None
        yield from (place.parent / line.strip() for line in lines if line.strip())
