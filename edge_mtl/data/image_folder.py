"""Images that nobody labelled, for teachers to label and networks to be looked at with."""

from __future__ import annotations

from pathlib import Path

from edge_mtl.data.datasets import folder_listing
from edge_mtl.data.images import IMAGE_SUFFIXES, read_image
from edge_mtl.data.sample import Sample, Vocabulary
from edge_mtl.errors import EdgeMtlError


class ImageFolder:
    """All JPEG and PNG files in and below a folder, in order of their paths, without labels.

    Raises:
        EdgeMtlError: there are none. Taking a sample raises it for an unreadable file.
    """

    vocabulary = Vocabulary(masks={})

    def __init__(self, folder: Path) -> None:
        self.name = f"images:{folder}"
        self._paths = sorted(
            path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES
        )
        if not self._paths:
            raise EdgeMtlError(
                f"{folder}: expected images ({', '.join(IMAGE_SUFFIXES)}), found "
                f"{folder_listing(folder)}; give a folder of images"
            )

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> Sample:
        path = self._paths[index]
        return Sample(image=read_image(path), name=str(path))
