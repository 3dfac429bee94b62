import copy
import pickle

import msgspec
import numpy as np
import pytest

from edge_mtl.scene import Classification, Detections, Mask, Poses, Scene

BOXES = np.array([[1, 2, 3, 4]], np.float32)
ROWS = np.zeros(1, np.int32)
SCENE = Scene(
    size=(6, 4),
    detections={"things": Detections(("car",), BOXES, np.ones(1, np.float32), ROWS)},
    masks={"surface": Mask(("road", "sky", "none"), np.array([[0, 1], [0, 0]], np.uint8))},
    poses={"pose": Poses(("nose",), ROWS, BOXES[None, :, :2], np.ones((1, 1), np.float32))},
    classifications={"light": Classification(("day", "night"), np.array([0.25, 0.75], np.float32))},
)


def test_a_scene_can_be_sent_and_copied():
    for other in (pickle.loads(pickle.dumps(SCENE)), copy.deepcopy(SCENE)):
        assert other.to_json() == SCENE.to_json()
        assert other.detections["things"].boxes is not BOXES
    assert copy.copy(SCENE).detections is SCENE.detections


def test_a_scene_does_not_change():
    for what in (
        SCENE,
        *(each for kind in (SCENE.detections, SCENE.masks) for each in kind.values()),
    ):
        for name in what.__struct_fields__:
            with pytest.raises(AttributeError):
                setattr(what, name, None)


def test_scenes_do_not_share_what_was_left_out():
    first, second = Scene((6, 4), {}, {}), Scene((6, 4), {}, {})
    for name in ("poses", "classifications", "stages_ms"):
        assert getattr(first, name) == {}
        assert getattr(first, name) is not getattr(second, name)


def test_what_is_read_off():
    assert len(SCENE.detections["things"]) == len(SCENE.poses["pose"]) == 1
    assert SCENE.masks["surface"].shares() == {"road": 0.75, "sky": 0.25}
    assert SCENE.classifications["light"].best == "night"


def test_captions_of_boxes():
    boxes = np.zeros((2, 4), np.float32)
    found = Detections(("car", "van"), boxes, np.array([0.5, 0.25], np.float32), np.arange(2))
    assert found.captions() == ["car 0.50", "van 0.25"]
    tracked = msgspec.structs.replace(found, track_ids=np.array([7, -1], np.int32))
    assert tracked.captions() == ["car #7 0.50", "van 0.25"]
    assert tracked.captions(with_scores=False) == ["car #7", "van"]


def test_poses_are_of_the_only_boxes_or_of_those_called_detection():
    empty = np.zeros(0, np.float32)
    none = Detections(("car",), empty.reshape(0, 4), empty, empty.astype(np.int32))
    other = msgspec.structs.replace(none, classes=("sign",))
    assert Scene((6, 4), {"things": none}, {}).posed is none
    assert Scene((6, 4), {"signs": other, "detection": none}, {}).posed is none
