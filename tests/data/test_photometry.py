import msgspec
import numpy as np
import pytest

from edge_mtl.data.augmentation import Augmentation
from edge_mtl.data.photometry import recorded

OFF = Augmentation(blur=0.0, noise=0.0, jpeg=0.0)


@pytest.mark.parametrize("seed", range(12))
def test_motion_smears_along_a_line_and_leaves_things_in_place(seed):
    point = np.zeros((41, 41, 3), np.uint8)
    point[20, 20] = 255
    shaken = recorded(
        point, msgspec.structs.replace(OFF, motion_blur=1.0), np.random.default_rng(seed)
    )[:, :, 0].astype(float)
    rows, columns = np.mgrid[:41, :41] - 20.0
    weights = shaken / shaken.sum()
    assert abs(255 - shaken.sum()) < 12
    assert abs((rows * weights).sum()) < 0.2
    assert abs((columns * weights).sum()) < 0.2
    spread = np.cov(np.stack([rows.ravel(), columns.ravel()]), aweights=weights.ravel() * 1e6)
    narrow, wide = np.sqrt(np.linalg.eigvalsh(spread).clip(0))
    assert narrow < 0.75  # about a pixel across
    assert 0.7 < wide < 3.2  # 3 to 9 px along


def test_a_flat_picture_stays_flat_to_its_edges():
    flat = np.full((30, 40, 3), 130, np.uint8)
    made = recorded(flat, msgspec.structs.replace(OFF, motion_blur=1.0), np.random.default_rng(0))
    assert np.abs(made.astype(int) - 130).max() <= 1
