import numpy as np
import pytest

from edge_mtl.data.sample import Boxes, Sample

IMAGE = np.zeros((48, 64, 3), np.uint8)
SMALL = np.zeros((24, 32), np.uint8)
CORNERS, IDS = np.zeros((2, 4), np.float32), np.zeros(2, np.int64)


@pytest.mark.parametrize(
    ("image", "fields", "message"),
    [
        (IMAGE[:, :, 0], {}, r"shape \(H, W, 3\), found \(48, 64\)"),
        (IMAGE, {"masks": {"lanes": SMALL}}, r"mask 'lanes' of a\.jpg .*found \(24, 32\)"),
        (IMAGE, {"planes": {"depth": SMALL}}, r"plane 'depth' of a\.jpg .*found \(24, 32\)"),
    ],
)
def test_a_sample_whose_parts_do_not_fit_is_refused(image, fields, message):
    with pytest.raises(ValueError, match=message):
        Sample(image, "a.jpg", **fields)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"corners": CORNERS[:1]}, r"corners must have shape \(2, 4\) for 2 class ids"),
        ({"keypoints": np.zeros((2, 5, 3))}, r"keypoints must have shape \(2, 17, 3\)"),
        ({"ignored": np.zeros(4)}, r"ignored must have shape \(M, 4\), found \(4,\)"),
    ],
)
def test_boxes_whose_parts_do_not_fit_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        Boxes(**{"corners": CORNERS, "class_ids": IDS, **fields})
