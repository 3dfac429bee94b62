"""A folder of images, in the order in which a person would number them; or a single image."""

from __future__ import annotations

import logging
import re
import time
from pathlib import Path

from edge_mtl.data.images import IMAGE_SUFFIXES, read_image
from edge_mtl.errors import EdgeMtlError
from edge_mtl.runtime.sources import Frame, Health

_log = logging.getLogger(__name__)


class ImageSource:
    """Reads the images of a folder, without those of folders inside it; see `Source`.

    An image that cannot be read is logged, counted as skipped and passed over.

    Raises:
        EdgeMtlError: the folder holds no file with one of `IMAGE_SUFFIXES`.
    """

    live = False
    frames_per_second = 10.0

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        files = list(path.iterdir()) if path.is_dir() else [path]
        self._files = sorted(
            (file for file in files if file.suffix.lower() in IMAGE_SUFFIXES), key=_natural_order
        )
        if not self._files:
            raise EdgeMtlError(
                f"{path}: expected images in this folder, found {len(files)} files of which none "
                f"ends in {', '.join(IMAGE_SUFFIXES)}"
            )
        self.length: int | None = len(self._files)
        self.health = Health()
        self._index = 0

    def read(self) -> Frame | None:
        """The next image that can be read; None at the end.

        Raises:
            EdgeMtlError: at the end, where not one image could be read.
        """
        while self._index < len(self._files):
            index, path = self._index, self._files[self._index]
            self._index += 1
            try:
                return Frame(read_image(path), index, time.monotonic_ns())
            except EdgeMtlError as error:
                self.health.skipped += 1
                _log.warning("skipped %s", error, extra={"camera": self.name, "frame": index})
        self.health.enter("ended")
        if self.health.skipped == len(self._files):
            raise EdgeMtlError(
                f"{self.name}: expected images, found {len(self._files)} of which none can be "
                "read: they are damaged or no images"
            )
        return None

    def stop(self) -> None:
        """A read does not wait."""

    def close(self) -> None:
        """Nothing is held open."""


def _natural_order(path: Path) -> list[tuple[int, str]]:
    """Numbers by value, so that frame_9 comes before frame_10."""
    return [
        (int(part), part) if part.isdecimal() else (-1, part)
        for part in re.split(r"(\d+)", path.name)
    ]
