"""Copy-paste: things of one street put into another (Ghiasi et al., 2020, arXiv:2012.07177).

Theirs is simplified and made fit for streets seen from a car: a thing keeps its height in the
picture, for there the ground is as far away as it was, and moves sideways only, to a place whose
ground is of the class that it stood on and where nothing nearer is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_mtl.data.boxes import joined_boxes, moved, no_boxes, taken
from edge_mtl.data.cutout import OBJECT_MASK, Cutout, cutout_of_box, mounted, thin_cutouts
from edge_mtl.data.sample import IGNORE, Boxes, Sample
from edge_mtl.data.warp import MIN_AREA_PX, MIN_VISIBLE, warp

_MOST_THINGS = 6
_PLACES_TRIED = 8
_SAME_GROUND = 0.6  # part of a thing's width under which the ground must be of the right class
_LIGHT = 0.6, 1.6  # how much a thing may be darkened or lit to suit the picture
_SHAPE = (
    ""  # among the masks of a patch: the pixels of the thing; no mask of a data set is so named
)


def copy_paste(
    sample: Sample, partner: Sample, rng: np.random.Generator, thin_ids: Sequence[int] = ()
) -> Sample:
    """The sample with up to six things of a partner in it; the sample itself where none fits.

    What can be pasted are objects with a box whose pixels the partner's mask "segmentation" shows,
    together with the post that a sign hangs on, and regions of `thin_ids` in that mask. Each class
    is as likely as the others, however rare. They keep their height in the picture (both cameras
    are taken to look alike), are mirrored at random and lit as the picture is.

    Masks take the partner's labels of the pasted pixels, `IGNORE` where it has no such mask. Boxes
    and keypoints come along where the sample has boxes. A box is dropped where less than
    `MIN_VISIBLE` of its object can still be seen, and otherwise keeps its extent; a keypoint that
    is covered counts as hidden. Attributes that list several values (what is in the picture) are
    left out unless both samples agree. Planes show the pasted things as the partner's do, 0 where
    it has no such plane.

    thin_ids: ids in the mask of things without boxes, such as poles.
    """
    things = _chosen(partner, thin_ids, rng)
    if not things:
        return sample
    scene = _Scene(sample, partner)
    # Far things first: those that stand lower in the picture are nearer, and in front.
    for thing in sorted(things, key=lambda thing: thing.bounds[3]):
        scene.paste(thing, rng)
    return scene.finished()


def _chosen(partner: Sample, thin_ids: Sequence[int], rng: np.random.Generator) -> list[Cutout]:
    """Some things that are wholly in the partner's picture, of any class equally likely."""
    posts = thin_cutouts(partner, thin_ids)
    box_ids = [] if partner.boxes is None else partner.boxes.class_ids.tolist()
    kinds = np.array([*box_ids, *(-1 - post.class_id for post in posts)], np.int64)
    if len(kinds) == 0:
        return []
    wanted = rng.integers(1, _MOST_THINGS + 1)
    weights = 1.0 / (kinds[:, None] == kinds).sum(axis=0)
    chosen: list[Cutout] = []
    for i in rng.choice(len(kinds), len(kinds), replace=False, p=weights / weights.sum()):
        thing = cutout_of_box(partner, i) if i < len(box_ids) else posts[i - len(box_ids)]
        if thing is not None and thing.box is not None:
            thing = mounted(thing, posts)
        if thing is not None and _is_whole(thing, partner):
            chosen.append(thing)
        if len(chosen) == wanted:
            break
    return chosen


def _is_whole(thing: Cutout, partner: Sample) -> bool:
    """Not cut by the picture: its feet and sides can be seen. Posts may go on above it."""
    x1, _, x2, y2 = thing.bounds
    height, width = partner.image.shape[:2]
    return x1 > 0 and x2 < width and y2 < height


class _Scene:
    """A sample into which things of a partner are pasted."""

    def __init__(self, sample: Sample, partner: Sample) -> None:
        self._sample, self._partner = sample, partner
        self._image = sample.image.copy()
        self._masks = {name: mask.copy() for name, mask in sample.masks.items()}
        self._planes = {name: plane.copy() for name, plane in sample.planes.items()}
        self._covered: NDArray[np.bool_] = np.zeros(sample.image.shape[:2], bool)
        self._pasted: list[Boxes] = []
        self._scale = sample.image.shape[0] / partner.image.shape[0]
        means = [np.mean(cv2.mean(one.image)[:3]) for one in (sample, partner)]
        self._light = float(np.clip(means[0] / max(1.0, means[1]), *_LIGHT))

    def paste(self, thing: Cutout, rng: np.random.Generator) -> None:
        """Put a thing somewhere where it suits; nowhere where no place that is tried does."""
        patch = self._patch(thing, mirrored=rng.random() < 0.5)
        shape = patch.masks[_SHAPE] == 1
        height, width = shape.shape
        room = self._covered.shape[1] - width
        box_lost = patch.boxes is not None and len(patch.boxes.class_ids) == 0
        if room < 0 or box_lost or shape.sum() < MIN_AREA_PX:
            return
        top = min(round(thing.window[0].start * self._scale), self._covered.shape[0] - height)
        ground = self._ground_under(thing)
        for left in rng.integers(0, room + 1, _PLACES_TRIED).tolist():
            if self._suits(shape, left, top, ground):
                self._put(patch, shape, left, top)
                return

    def finished(self) -> Sample:
        """The sample with what was pasted; itself where nothing was."""
        sample, partner = self._sample, self._partner
        if not self._covered.any():
            return sample
        boxes = sample.boxes
        if boxes is not None:
            boxes = self._still_visible(boxes)
            for pasted in self._pasted:
                boxes = joined_boxes(boxes, pasted)
        return Sample(
            image=self._image,
            name=f"{sample.name} + {partner.name}",
            masks=self._masks,
            boxes=boxes,
            attributes={
                name: value
                for name, value in sample.attributes.items()
                if isinstance(value, str) or partner.attributes.get(name) == value
            },
            planes=self._planes,
        )

    def _patch(self, thing: Cutout, mirrored: bool) -> Sample:
        """The window of a thing with its labels and `_SHAPE`, in the size that it has here."""
        partner, (rows, columns) = self._partner, thing.window
        masks = {name: mask[rows, columns] for name, mask in partner.masks.items()}
        masks[_SHAPE] = thing.shape.view(np.uint8)
        boxes = None
        if partner.boxes is not None and thing.box is not None:
            own = taken(partner.boxes, np.array([thing.box]))
            own = dataclasses.replace(own, ignored=no_boxes().ignored, searched=None)
            boxes = moved(own, (-columns.start, -rows.start))
        height, width = thing.shape.shape
        size = max(1, round(width * self._scale)), max(1, round(height * self._scale))
        matrix = np.diag([size[0] / width, size[1] / height, 1.0])[:2]
        if mirrored:
            matrix[0] = -matrix[0] + [0.0, 0.0, size[0]]
        planes = {name: plane[rows, columns] for name, plane in partner.planes.items()}
        patch = Sample(partner.image[rows, columns], partner.name, masks, boxes, planes=planes)
        return warp(patch, matrix, size)

    def _ground_under(self, thing: Cutout) -> int | None:
        """The commonest class of the mask right below a thing; None where nobody labelled it."""
        x1, _, x2, y2 = thing.bounds
        below = self._partner.masks[OBJECT_MASK][y2, x1:x2]
        below = below[below != IGNORE]
        return int(np.bincount(below).argmax()) if len(below) else None

    def _suits(self, shape: NDArray[np.bool_], left: int, top: int, ground: int | None) -> bool:
        """Whether a thing there stands on its ground, behind nothing, beside what was pasted."""
        x, y, width, height = cv2.boundingRect(shape.view(np.uint8))
        x1, y1 = left + x, top + y
        x2, y2 = x1 + width, y1 + height
        mask = self._sample.masks.get(OBJECT_MASK)
        if mask is not None and ground is not None:
            below = mask[min(y2, mask.shape[0] - 1), x1:x2]
            if (below == ground).mean() < _SAME_GROUND:
                return False
        if self._sample.boxes is not None:
            corners = self._sample.boxes.corners
            meets = (corners[:, 0] < x2) & (corners[:, 2] > x1) & (corners[:, 1] < y2)
            if (meets & (corners[:, 3] > y2)).any():
                return False
        rows, columns = shape.shape
        return not (self._covered[top : top + rows, left : left + columns] & shape).any()

    def _put(self, patch: Sample, shape: NDArray[np.bool_], left: int, top: int) -> None:
        rows, columns = shape.shape
        window = slice(top, top + rows), slice(left, left + columns)
        # Soft towards the inside only: what was around the thing stays where it was.
        soft = cv2.GaussianBlur(shape.astype(np.float32), (3, 3), 0.0) * shape
        lit = cv2.convertScaleAbs(patch.image, alpha=self._light)
        self._image[window] = cv2.blendLinear(lit, self._image[window], soft, 1.0 - soft)
        for name, mask in self._masks.items():
            labels = patch.masks.get(name)
            mask[window][shape] = IGNORE if labels is None else labels[shape]
        for name, plane in self._planes.items():
            seen = patch.planes.get(name)
            plane[window][shape] = 0 if seen is None else seen[shape]
        self._covered[window] |= shape
        if patch.boxes is not None:
            self._pasted.append(moved(patch.boxes, (left, top)))

    def _still_visible(self, boxes: Boxes) -> Boxes:
        """The sample's boxes of which enough can be seen, covered keypoints hidden."""
        kept = np.ones(len(boxes.class_ids), bool)
        for i, (x1, y1, x2, y2) in enumerate(boxes.corners.round().astype(int).tolist()):
            covered = self._covered[max(0, y1) : y2, max(0, x1) : x2]
            if covered.any():
                thing = cutout_of_box(self._sample, i)
                if thing is not None:
                    covered = self._covered[thing.window][thing.shape]
                kept[i] = covered.mean() <= 1.0 - MIN_VISIBLE
        boxes = taken(boxes, kept)
        if boxes.keypoints is None:
            return boxes
        height, width = self._covered.shape
        columns, rows = np.moveaxis(boxes.keypoints[:, :, :2].astype(int), 2, 0)
        covered = self._covered[rows.clip(0, height - 1), columns.clip(0, width - 1)]
        keypoints = boxes.keypoints.copy()
        keypoints[:, :, 2][covered & (keypoints[:, :, 2] == 2)] = 1
        return dataclasses.replace(boxes, keypoints=keypoints)
