import numpy as np
import pytest

from edge_mtl.data.camvid import MIN_BOX_AREA_PX
from edge_mtl.data.rendered import VOCABULARY, RenderedScenes
from edge_mtl.data.rendered.labels import MIN_VISIBLE, boxes_of
from edge_mtl.data.rendered.world import World
from edge_mtl.data.sample import IGNORE, Sample

CLASSES = VOCABULARY.masks["segmentation"]
MASK_OF_BOX = {
    "car": "Car", "pedestrian": "Pedestrian", "cyclist": "Bicyclist", "sign": "SignSymbol"
}  # fmt: skip
CLIPS = 12


@pytest.fixture(scope="module")
def samples() -> list[Sample]:
    """One frame of each of some clips."""
    drive = RenderedScenes(90 * CLIPS, seed=4)
    return [drive[90 * clip + 7 * clip] for clip in range(CLIPS)]


def test_every_class_appears(samples: list[Sample]) -> None:
    seen = set().union(*(np.unique(sample.masks["segmentation"]).tolist() for sample in samples))
    assert set(range(len(CLASSES))) <= seen
    assert seen <= {*range(len(CLASSES)), IGNORE}
    boxes = np.concatenate([s.boxes.class_ids for s in samples if s.boxes is not None])
    assert set(boxes.tolist()) == set(range(len(VOCABULARY.boxes)))


def test_clips_differ_in_light_and_weather(samples: list[Sample]) -> None:
    assert {sample.attributes["time"] for sample in samples} == {"day", "dusk", "night"}
    assert len({sample.attributes["weather"] for sample in samples}) >= 3


def test_most_of_the_picture_is_road_houses_sky_and_trees(samples: list[Sample]) -> None:
    every = np.stack([sample.masks["segmentation"] for sample in samples])
    share = {name: float((every == i).mean()) for i, name in enumerate(CLASSES)}
    assert 0.2 < share["Road"] < 0.45
    assert 0.1 < share["Building"] < 0.4
    assert 0.03 < share["Car"] < 0.2
    assert (every == IGNORE).mean() < 0.03


def test_drivable_area_and_lanes_lie_on_the_road(samples: list[Sample]) -> None:
    lanes = 0
    for sample in samples:
        road = sample.masks["segmentation"] == CLASSES.index("Road")
        drivable, lane = sample.masks["drivable"], sample.masks["lanes"]
        assert set(np.unique(drivable)) <= {0, 1}
        assert road[drivable == 1].all()
        assert road[lane == 1].all()
        assert 0.02 < drivable.mean() < 0.6
        lanes += int(lane.sum() > 200)
    assert lanes > CLIPS * 0.6


def test_boxes_lie_in_the_image_and_hold_their_class(samples: list[Sample]) -> None:
    for sample in samples:
        assert sample.boxes is not None
        mask = sample.masks["segmentation"]
        for (x1, y1, x2, y2), class_id in zip(
            sample.boxes.corners.astype(int), sample.boxes.class_ids, strict=True
        ):
            assert 0 <= x1 < x2 <= mask.shape[1]
            assert 0 <= y1 < y2 <= mask.shape[0]
            own = CLASSES.index(MASK_OF_BOX[VOCABULARY.boxes[class_id]])
            assert (mask[y1:y2, x1:x2] == own).sum() >= 40


def test_boxes_are_tight_and_none_is_missing() -> None:
    world = World(4, 1, (640, 384), 3.0)
    _, canvas, codes, _ = world.paint(1.0, 0)
    boxes = boxes_of(canvas, codes)
    expected = []
    for thing in canvas.things:
        rows, columns = np.nonzero(codes == thing.code)
        if len(rows) < MIN_BOX_AREA_PX or len(rows) < MIN_VISIBLE * thing.area:
            continue
        expected.append(thing.box)
        x1, y1, x2, y2 = thing.box
        visible = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
        assert x1 <= visible[0]
        assert y1 <= visible[1]
        assert visible[2] <= x2
        assert visible[3] <= y2
        if len(rows) == thing.area:
            assert visible == thing.box
    assert len(expected) > 5
    np.testing.assert_array_equal(boxes.corners, np.array(expected, np.float32))


def test_keypoints_lie_in_their_boxes_and_tell_what_is_seen(samples: list[Sample]) -> None:
    pedestrian = VOCABULARY.boxes.index("pedestrian")
    flags: set[int] = set()
    people = 0
    for sample in samples:
        assert sample.boxes is not None
        assert sample.boxes.keypoints is not None
        height, width = sample.image.shape[:2]
        mask = sample.masks["segmentation"]
        for box, class_id, points in zip(
            sample.boxes.corners, sample.boxes.class_ids, sample.boxes.keypoints, strict=True
        ):
            if class_id != pedestrian:
                assert not points.any()
                continue
            people += 1
            visibility = points[:, 2]
            flags |= set(visibility.astype(int).tolist())
            assert not points[visibility == 0].any()
            labelled = points[visibility > 0]
            assert ((labelled[:, :2] >= 0) & (labelled[:, :2] < (width, height))).all()
            margin = 2.0 + 0.05 * (box[3] - box[1])
            assert (labelled[:, :2] > box[:2] - margin).all()
            assert (labelled[:, :2] < box[2:] + margin).all()
            columns, rows = points[visibility == 2, :2].astype(int).T
            for row, column in zip(rows, columns, strict=True):
                around = mask[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2]
                assert (around == CLASSES.index("Pedestrian")).any()
    assert people > 15
    assert flags == {0, 1, 2}


def test_hidden_keypoints_are_flagged(samples: list[Sample]) -> None:
    """Where another thing's pixels lie over a joint, the joint is not called visible."""
    for sample in samples:
        assert sample.boxes is not None
        assert sample.boxes.keypoints is not None
        car = sample.masks["segmentation"] == CLASSES.index("Car")
        points = sample.boxes.keypoints.reshape(-1, 3)
        seen = points[points[:, 2] == 2]
        for x, y in seen[:, :2].astype(int):
            assert not car[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2].all()


def test_people_are_as_deep_as_the_ground_they_stand_on() -> None:
    """Depth is along the camera's axis: beside it that is less than the straight distance."""
    drive = RenderedScenes(120, seed=4, clip_frames=4, fps=1.0)
    ground = [CLASSES.index(name) for name in ("Road", "Pavement")]
    people = VOCABULARY.boxes.index("pedestrian")
    ratios = []
    for index in range(0, len(drive), 4):
        sample = drive[index]
        assert sample.boxes is not None
        depth, mask = sample.planes["depth"].astype(float), sample.masks["segmentation"]
        width = depth.shape[1]
        for corners in sample.boxes.corners[sample.boxes.class_ids == people]:
            x, bottom = int(corners[[0, 2]].mean()), int(corners[3])
            beside = abs(x - width / 2) > 0.35 * width
            tall = corners[3] - corners[1] > 40
            if not (beside and tall and bottom + 1 < len(depth)):
                continue
            if mask[bottom + 1, x] in ground:
                of_person = np.median(depth[int(corners[1:4:2].mean()), x - 1 : x + 2])
                ratios.append(of_person / depth[bottom + 1, x])
    assert len(ratios) >= 5
    assert np.median(ratios) == pytest.approx(0.96, abs=0.04)  # the near foot is nearer
