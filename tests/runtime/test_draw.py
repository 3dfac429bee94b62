from __future__ import annotations

import numpy as np
import pytest
from msgspec.structs import replace
from numpy.typing import NDArray

from edge_mtl.runtime.palette import TINTS, Tint, tints_of
from edge_mtl.scene import Classification, Detections, Mask, Poses, Scene

pytest.importorskip("cv2", reason="OpenCV, of the extra cpu, is not installed")

from edge_mtl.runtime.draw import Annotator, lines_of

GREY = np.full((240, 320, 3), 100, np.uint8)
NOTHING: NDArray[np.uint8] = np.zeros((240, 320), np.uint8)


def scene(masks: dict[str, Mask] | None = None, boxes: list[list[float]] | None = None) -> Scene:
    corners = np.array(boxes or np.empty((0, 4)), np.float32)
    n = len(corners)
    found = Detections(("car", "sign"), corners, np.full(n, 0.5, np.float32), np.zeros(n, np.int32))
    return Scene((320, 240), {"detection": found}, masks or {}, stages_ms={"engine": 8.0})


def blended(tint: Tint) -> NDArray[np.float64]:
    return 100 * (1 - tint.cover) + np.array(tint.bgr) * tint.cover


def test_a_mask_tints_the_picture_by_class() -> None:
    labels = NOTHING.copy()
    labels[:, 160:] = 1
    drawn = Annotator()(scene({"classes": Mask(("Road", "Tree"), labels)}), GREY)
    np.testing.assert_allclose(drawn[200, 10], blended(TINTS["road"]), atol=2)
    np.testing.assert_allclose(drawn[200, 300], blended(TINTS["tree"]), atol=2)


def test_a_later_mask_covers_an_earlier_one_and_background_covers_nothing() -> None:
    lane = NOTHING.copy()
    lane[100:, 100:200] = 1
    masks = {
        "classes": Mask(("Road",), NOTHING),
        "lanes": Mask(("background", "lane"), lane),
    }
    drawn = Annotator()(scene(masks), GREY)
    np.testing.assert_allclose(drawn[200, 150], blended(TINTS["lane"]), atol=2)
    np.testing.assert_allclose(drawn[200, 10], blended(TINTS["road"]), atol=2)


def test_a_mask_of_the_networks_size_is_enlarged() -> None:
    small = np.zeros((24, 32), np.uint8)
    small[:, 16:] = 1
    large = np.repeat(np.repeat(small, 10, 0), 10, 1)
    classes = ("background", "drivable")
    annotate = Annotator()
    from_small = annotate(scene({"drivable": Mask(classes, small)}), GREY)
    from_large = annotate(scene({"drivable": Mask(classes, large)}), GREY)
    np.testing.assert_array_equal(from_small, from_large)


def test_what_is_transparent_leaves_the_picture_as_it_was() -> None:
    image = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)
    drawn = Annotator()(scene({"lanes": Mask(("background", "lane"), NOTHING)}), image)
    np.testing.assert_array_equal(drawn[60:], image[60:])


def test_a_box_has_its_classs_colour_on_its_edge_and_not_inside() -> None:
    drawn = Annotator()(scene(boxes=[[100, 80, 200, 180]]), GREY)
    colour = TINTS["car"].bgr
    for x, y in ((150, 80), (150, 180), (100, 130), (200, 130)):
        np.testing.assert_array_equal(drawn[y, x], colour)
    np.testing.assert_array_equal(drawn[130, 150], GREY[0, 0])
    np.testing.assert_array_equal(drawn[78 - 8, 100], colour)  # the plate of its label


def test_poses_are_drawn_below_the_labels() -> None:
    points = np.array([[[110, 75], [110, 120]]], np.float32)  # one of them where the label stands
    poses = Poses(("head", "tail"), np.zeros(1, np.int32), points, np.ones((1, 2), np.float32))
    boxed = scene(boxes=[[100, 80, 200, 180]])
    before = Annotator()(boxed, GREY)
    after = Annotator()(replace(boxed, poses={"pose": poses}), GREY)
    changed = (before != after).any(2)
    assert changed[115:125, 105:115].any()
    assert not changed[:80].any()


def status_rows(classifications: dict[str, Classification]) -> int:
    """How many rows of the picture the plates at the top left cover."""
    drawn = Annotator()(replace(scene(), classifications=classifications), GREY)
    return int((drawn[:, 0] != GREY[0, 0]).any(1).sum())


def classified(*scores: float) -> Classification:
    classes = tuple(f"class {i}" for i in range(len(scores)))
    return Classification(classes, np.array(scores, np.float32))


def test_a_classification_is_a_line_below_the_status() -> None:
    plate = status_rows({})
    assert status_rows({"time": classified(0.9, 0.1)}) == 2 * plate
    both = {"time": classified(0.9, 0.1), "weather": classified(0.2, 0.8)}
    assert status_rows(both) == 3 * plate


def test_a_track_is_part_of_the_label() -> None:
    seen = scene(boxes=[[100, 80, 200, 180]])
    found = seen.detections["detection"]
    plates = []
    for track_ids in (None, np.array([-1], np.int32), np.array([12], np.int32)):
        numbered = {"detection": replace(found, track_ids=track_ids)}
        drawn = Annotator()(replace(seen, detections=numbered), GREY)
        plates.append(int((drawn[70] != GREY[0, 0]).any(1).sum()))
    assert plates[0] == plates[1] < plates[2]


def test_no_label_covers_a_better_one() -> None:
    """Of three boxes in one place, one label stands above, one below, and one has no room."""
    boxes = [[100, 80, 130, 120], [102, 80, 132, 120], [104, 80, 134, 120]]
    one, three = Annotator()(scene(boxes=boxes[:1]), GREY), Annotator()(scene(boxes=boxes), GREY)
    above = slice(60, 79), slice(100, 124)
    np.testing.assert_array_equal(three[above], one[above])
    assert (three[122:132, 104:120] != GREY[0, 0]).any(2).all()
    assert (one[122:132, 104:120] == GREY[0, 0]).all()
    assert (three[140:, :] == GREY[0, 0]).all()


def test_a_line_with_long_letters_does_not_cover_the_one_above() -> None:
    alone = Annotator()(scene(), GREY)
    below = {"(gjpqy|": classified(0.9, 0.1)}
    both = Annotator()(replace(scene(), classifications=below), GREY)
    plate = status_rows({})
    np.testing.assert_array_equal(both[: plate - 1, :40], alone[: plate - 1, :40])


def test_of_classes_that_exclude_each_other_the_best_is_named() -> None:
    assert list(lines_of({"time": classified(0.3, 0.45, 0.25)})) == ["time: class 1 0.45"]


def test_of_classes_that_do_not_those_likelier_than_not_are_named() -> None:
    several = {"present": classified(0.9, 0.5, 0.75), "absent": classified(0.1, 0.2)}
    assert list(lines_of(several)) == ["present: class 0 0.90, class 2 0.75"]


@pytest.mark.parametrize("size", [(1, 1), (32, 24), (320, 240), (3840, 2160)])
def test_every_size_of_frame_and_boxes_at_its_rim(size: tuple[int, int]) -> None:
    width, height = size
    image = np.full((height, width, 3), 100, np.uint8)
    corners = np.array([[0, 0, width, height], [width - 1, 0, width, 1]], np.float32)
    found = Detections(("car",), corners, np.array([0.9, 0.5], np.float32), np.zeros(2, np.int32))
    drawn = Annotator()(Scene(size, {"detection": found}, {}), image)
    assert drawn.shape == image.shape


def test_the_frame_is_not_changed_and_sinks_share_one_drawing() -> None:
    image, annotate = GREY.copy(), Annotator()
    seen = scene(boxes=[[100, 80, 200, 180]])
    drawn = annotate(seen, image)
    np.testing.assert_array_equal(image, GREY)
    assert annotate(seen, image) is drawn
    assert annotate(scene(), image) is not drawn
    assert annotate(seen, image.copy()) is not drawn


def test_many_classes_do_not_run_out_of_codes() -> None:
    classes = tuple(f"class {i}" for i in range(254))
    labels = np.full((240, 320), 253, np.uint8)
    masks = {name: Mask(classes, labels) for name in ("a", "b")}
    drawn = Annotator()(scene(masks), GREY)
    np.testing.assert_allclose(drawn[200, 10], blended(tints_of(classes)[253]), atol=2)


def test_unknown_classes_get_hues_that_can_be_told_apart() -> None:
    tints = tints_of(["Car", "deer", "boat", "kite", "moose"])
    assert tints[0] == TINTS["car"]
    colours = np.array([tint.rgb for tint in tints[1:]], float)
    apart = np.linalg.norm(colours[:, None] - colours[None], axis=2)
    assert apart[~np.eye(4, dtype=bool)].min() > 80
    assert tints_of(["deer"]) == [tints[1]]
