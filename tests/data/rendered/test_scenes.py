import subprocess
import sys

import numpy as np
import pytest

from edge_mtl.data.rendered import VOCABULARY, RenderedScenes, scenes
from edge_mtl.data.sample import Sample

SIZE = 320, 192


def same(a: Sample, b: Sample) -> bool:
    assert a.boxes is not None
    assert b.boxes is not None
    assert a.boxes.keypoints is not None
    assert b.boxes.keypoints is not None
    return (
        np.array_equal(a.image, b.image)
        and all(np.array_equal(a.masks[name], b.masks[name]) for name in VOCABULARY.masks)
        and np.array_equal(a.boxes.corners, b.boxes.corners)
        and np.array_equal(a.boxes.keypoints, b.boxes.keypoints)
    )


def test_random_access_gives_the_bytes_of_sequential_access() -> None:
    drive = RenderedScenes(12, seed=5, size=SIZE, clip_frames=4)
    in_order = list(drive)
    assert len(in_order) == len(drive) == 12
    scenes._world.cache_clear()
    again = RenderedScenes(100, seed=5, size=SIZE, clip_frames=4)
    for index in (9, 2, 11, 0, 9):
        assert same(again[index], in_order[index])
        np.testing.assert_array_equal(again.image(index), in_order[index].image)


def test_another_process_renders_the_same() -> None:
    program = (
        "import hashlib; from edge_mtl.data.rendered import RenderedScenes;"
        f"s = RenderedScenes(3, seed=5, size={SIZE}, clip_frames=4)[2];"
        "print(hashlib.sha256(s.image.tobytes() + s.masks['segmentation'].tobytes()).hexdigest())"
    )
    runs = {subprocess.check_output([sys.executable, "-c", program]) for _ in range(2)}
    assert len(runs) == 1


def test_seeds_and_clips_differ() -> None:
    first = RenderedScenes(8, seed=1, size=SIZE, clip_frames=4)
    other = RenderedScenes(8, seed=2, size=SIZE, clip_frames=4)
    assert not same(first[0], other[0])
    assert not same(first[0], first[4])


def test_a_sample_is_complete() -> None:
    drive = RenderedScenes(2, seed=3, size=(333, 201))
    sample = drive[1]
    assert sample.name == "rendered:3/1"
    assert sample.image.shape == (201, 333, 3)
    assert sample.image.dtype == np.uint8
    assert set(sample.masks) == set(drive.vocabulary.masks)
    assert {mask.shape for mask in sample.masks.values()} == {(201, 333)}
    assert sample.attributes["time"] in ("day", "dusk", "night")
    assert sample.attributes["weather"] in ("clear", "overcast", "rain", "fog")


def test_a_frame_beyond_the_end_is_refused() -> None:
    with pytest.raises(IndexError, match=r"0\.\.1, found 2"):
        RenderedScenes(2, size=SIZE)[2]


def overlap(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes a (N, 4) with b (M, 4): (N, M)."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    both = (high - low).clip(0).prod(axis=2)
    area = [(boxes[:, 2:] - boxes[:, :2]).prod(axis=1) for boxes in (a, b)]
    return both / (area[0][:, None] + area[1][None] - both)


def test_frames_follow_each_other_smoothly() -> None:
    drive = RenderedScenes(180, seed=11, size=(640, 384))
    found = 0
    for start in (10, 100):
        before, after = drive[start], drive[start + 1]
        assert before.boxes is not None
        assert after.boxes is not None
        wide = np.abs(before.boxes.corners[:, 2] - before.boxes.corners[:, 0]) > 16
        inside = (before.boxes.corners[:, 0] > 20) & (before.boxes.corners[:, 2] < 620)
        shared = overlap(before.boxes.corners[wide & inside], after.boxes.corners)
        shared[before.boxes.class_ids[wide & inside][:, None] != after.boxes.class_ids] = 0
        found += len(shared)
        assert (shared.max(axis=1) > 0.6).mean() > 0.85
        labels = before.masks["segmentation"] == after.masks["segmentation"]
        assert labels.mean() > 0.9
        assert not np.array_equal(before.image, after.image)
    assert found >= 4


def test_sensor_noise_is_new_in_every_frame() -> None:
    held = RenderedScenes(2, seed=6, size=SIZE, fps=1e9)
    first, second = held
    np.testing.assert_array_equal(first.masks["segmentation"], second.masks["segmentation"])
    change = np.abs(first.image.astype(int) - second.image)
    assert 0 < change.mean() < 12
