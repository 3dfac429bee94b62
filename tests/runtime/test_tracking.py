"""The same thing has the same number, through crossings, gaps and doubt."""

from __future__ import annotations

import numpy as np
import pytest

from edge_mtl.errors import UsageError
from edge_mtl.scene import Detections, Scene

pytest.importorskip("supervision", reason="the extra track is not installed")
pytest.importorskip("trackers", reason="the extra track is not installed")

from edge_mtl.runtime.tracking import LOST_S, Tracker

FPS = 25.0


def scene(index: int, *things: tuple[float, float, float]) -> Scene:
    """Boxes of 40x30 pixels at x, y with a score, the best first, as a pipeline has them."""
    things = tuple(sorted(things, key=lambda thing: -thing[2]))
    boxes = np.array([[x, y, x + 40, y + 30] for x, y, _ in things], np.float32).reshape(-1, 4)
    scores = np.array([score for _, _, score in things], np.float32)
    class_ids = np.arange(len(things), dtype=np.int32) % 2
    found = Detections(("car", "van"), boxes, scores, class_ids)
    return Scene((640, 480), {"detection": found}, {}, frame_index=index, captured_ns=1)


def numbers(seen: Scene) -> dict[float, int]:
    """The number of every box by its top edge."""
    found = seen.detections["detection"]
    assert found.track_ids is not None
    return dict(zip(found.boxes[:, 1].tolist(), found.track_ids.tolist(), strict=True))


def test_numbers_stay_while_scores_change_places() -> None:
    track = Tracker(FPS)
    for index in range(20):
        left, right = (0.6, 0.9) if index % 2 else (0.9, 0.6)
        seen = track(scene(index, (100 + 3 * index, 50, left), (400 - 3 * index, 200, right)))
        if index:
            found = numbers(seen)
            if index == 1:
                first = found
            assert found == first
    assert len(set(first.values()) - {-1}) == 2
    assert seen.stages_ms["track"] > 0
    assert seen.detections["detection"].classes == ("car", "van")


def test_a_box_is_numbered_from_its_second_frame_on_and_doubtful_ones_are_not() -> None:
    track = Tracker(FPS)
    assert numbers(track(scene(0, (10, 20, 0.9), (300, 200, 0.3)))) == {20: -1, 200: -1}
    assert numbers(track(scene(1, (10, 20, 0.9), (300, 200, 0.3)))) == {20: 0, 200: -1}
    # A number that is there survives doubt.
    assert numbers(track(scene(2, (10, 20, 0.3)))) == {20: 0}


@pytest.mark.parametrize(("gap_s", "same"), [(0.5 * LOST_S, True), (3 * LOST_S, False)])
@pytest.mark.parametrize("dropped", [False, True])
def test_out_of_sight_for_a_while(gap_s: float, same: bool, dropped: bool) -> None:
    """Whether its frames came without the thing, or did not come at all."""
    track = Tracker(FPS)
    for index in range(5):
        before = numbers(track(scene(index, (10, 20, 0.9))))[20]
    gap = round(gap_s * FPS)
    if not dropped:
        for index in range(5, 5 + gap):
            track(scene(index))
    for index in range(5 + gap, 8 + gap):
        after = numbers(track(scene(index, (10, 20, 0.9))))[20]
    if same or not dropped:
        assert (before == after) is same


def test_scenes_without_boxes() -> None:
    track = Tracker(FPS)
    for index in range(3):
        found = track(scene(index)).detections["detection"]
        assert found.track_ids is not None
        assert found.track_ids.shape == (0,)


def test_boxes_as_supervision_has_them() -> None:
    seen = scene(0, (10, 20, 0.9), (300, 200, 0.5))
    boxes = seen.to_supervision()
    np.testing.assert_array_equal(boxes.xyxy, seen.detections["detection"].boxes)
    assert boxes.data["class_name"].tolist() == ["car", "van"]
    assert boxes.confidence.tolist() == pytest.approx([0.9, 0.5])
    assert boxes.tracker_id is None
    assert len(scene(0).to_supervision("detection")) == 0
    track = Tracker(FPS)
    track(seen)
    again = track(scene(1, (10, 20, 0.9), (300, 200, 0.5))).to_supervision()
    assert again.tracker_id.tolist() == [0, 1]
    with pytest.raises(UsageError, match="one of detection, found 'signs'"):
        seen.to_supervision("signs")
