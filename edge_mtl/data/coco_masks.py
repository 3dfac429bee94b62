"""Class masks from COCO's outlines and panoptic pictures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from edge_mtl.data.coco_labels import Annotation, RunLengths, Segment
from edge_mtl.data.images import read_image
from edge_mtl.data.sample import IGNORE
from edge_mtl.errors import EdgeMtlError

_FARTHEST = 4
"""Outlines that reach farther out than so many image sides are damage, and take ages to fill."""


def paint_outlines(
    mask: NDArray[np.uint8], annotations: Iterable[Annotation], ids: Mapping[int, int], where: str
) -> None:
    """Paint objects into a (H, W) mask, the larger ones first, so that small ones lie on top.

    ids: by category, its class id; other categories are left out. where: for messages.

    Raises:
        EdgeMtlError: an outline is damaged or of an image of another size.
    """
    # A crowd's outline is generous: whoever stands in it is outlined better.
    for each in sorted(annotations, key=lambda each: (not each.iscrowd, -each.area)):
        if each.category_id in ids and each.segmentation:
            try:
                filled = _filled(each.segmentation, *mask.shape)
            except (RuntimeError, ValueError) as error:
                raise EdgeMtlError(
                    f"{where}: annotation {each.id}: its outline is damaged: {error}; mend the "
                    "label"
                ) from None
            mask[filled] = ids[each.category_id]


def panoptic_mask(
    path: Path, segments: Iterable[Segment], ids: Mapping[int, int], size: tuple[int, int]
) -> NDArray[np.uint8]:
    """Read a panoptic PNG as a (H, W) uint8 mask of classes, `IGNORE` where nobody labelled.

    ids: by category, its class id. size: (width, height) of the image.

    Raises:
        EdgeMtlError: the file is missing or damaged, of another size than its image, or shows
            segments that are not among `segments`.
    """
    colours = read_image(path)
    if colours.shape[:2] != (size[1], size[0]):
        raise EdgeMtlError(
            f"{path}: expected its image's size {size[0]}x{size[1]}, found "
            f"{colours.shape[1]}x{colours.shape[0]}; fetch it again"
        )
    shown = colours.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    mask = np.full(shown.shape, IGNORE, np.uint8)
    known = shown == 0
    for segment in segments:
        here = shown == segment.id
        mask[here] = ids[segment.category_id]
        known |= here
    if not known.all():
        stray = int(shown[~known][0])
        raise EdgeMtlError(
            f"{path}: expected the segments that the JSON file names, found segment {stray}; "
            "fetch both again"
        )
    return mask


def _filled(outline: RunLengths | list[list[float]], height: int, width: int) -> NDArray[np.bool_]:
    """(H, W): the pixels of an outline, as COCO's own tools fill it."""
    from faster_coco_eval.core import mask as coco

    _check(outline, height, width)
    if isinstance(outline, list):
        runs = coco.merge(coco.frPyObjects(outline, height, width))
    else:
        runs = {"size": list(outline.size), "counts": outline.counts}
        if isinstance(outline.counts, list):
            runs = coco.frPyObjects(runs, height, width)
    return cast("NDArray[np.bool_]", coco.decode(runs).astype(bool))


def _check(outline: RunLengths | list[list[float]], height: int, width: int) -> None:
    """What COCO's tools do not check themselves.

    Raises:
        ValueError: the outline cannot be one.
    """
    if isinstance(outline, RunLengths):
        if outline.size != (height, width):
            raise ValueError(f"expected size {[height, width]}, found {list(outline.size)}")
        if isinstance(outline.counts, list) and min(outline.counts, default=0) < 0:
            raise ValueError("a run is shorter than nothing")
        return
    for polygon in outline:
        if len(polygon) < 6 or len(polygon) % 2:
            raise ValueError(f"expected x y of three points or more, found {len(polygon)} numbers")
        if max(map(abs, polygon)) > _FARTHEST * max(height, width):
            raise ValueError(f"a point lies at {max(polygon, key=abs):g}, far outside the image")
