import subprocess
import sys

import cv2
import numpy as np
import pytest

from edge_mtl.data.datasets import READERS, SPLITS, EvenlySpaced, open_dataset
from edge_mtl.data.sample import Sample, Vocabulary
from edge_mtl.data.scene_writer import write_scene_folder
from edge_mtl.errors import EdgeMtlError, UsageError


class Numbers:
    """Pictures of 8x8 whose grey value is their index."""

    name = "numbers"
    vocabulary = Vocabulary(masks={})

    def __init__(self, count, start=0):
        self.values = range(start, start + count)

    def __len__(self):
        return len(self.values)

    def __getitem__(self, index):
        return Sample(np.full((8, 8, 3), self.values[index], np.uint8), f"number {index}")


def greys(dataset):
    return [round(float(sample.image.mean())) for sample in dataset]


@pytest.mark.parametrize(
    ("count", "expected"), [(1, [5]), (2, [2, 7]), (3, [1, 5, 8]), (10, list(range(10)))]
)
def test_a_limit_takes_evenly_spaced_samples(count, expected):
    spaced = EvenlySpaced(Numbers(10), count)
    assert greys(spaced) == expected
    assert len(spaced) == count
    assert spaced.name == f"numbers ({count} of 10)"


def test_camvid_by_name_with_a_limit(tmp_path):
    (tmp_path / "val").mkdir()
    (tmp_path / "valannot").mkdir()
    for i in range(6):
        cv2.imwrite(str(tmp_path / "val" / f"{i}.png"), np.full((8, 8, 3), i, np.uint8))
        cv2.imwrite(str(tmp_path / "valannot" / f"{i}.png"), np.zeros((8, 8), np.uint8))
    assert greys(open_dataset(f"camvid:{tmp_path}", "val")) == list(range(6))
    assert greys(open_dataset(f"camvid:{tmp_path}", "val", limit=2)) == [1, 4]
    assert greys(open_dataset(f"camvid:{tmp_path}", "val", limit=60)) == list(range(6))


def test_a_rendered_folder_with_or_without_splits(tmp_path):
    write_scene_folder(Numbers(2), tmp_path / "flat")
    assert len(open_dataset(f"rendered:{tmp_path / 'flat'}", "test")) == 2
    write_scene_folder(Numbers(2, 50), tmp_path / "parts" / "train")
    write_scene_folder(Numbers(3, 90), tmp_path / "parts" / "val")
    assert greys(open_dataset(f"rendered:{tmp_path / 'parts'}", "train")) == [50, 51]
    assert greys(open_dataset(f"rendered:{tmp_path / 'parts'}", "val")) == [90, 91, 92]


def test_rendered_scenes_are_the_same_each_time_and_differ_between_splits():
    train, val, again = (
        open_dataset("rendered", split, limit=1) for split in ("train", "val", "val")
    )
    image = val[0].image
    np.testing.assert_array_equal(again[0].image, image)
    assert not np.array_equal(train[0].image, image)
    assert [len(open_dataset("rendered", split)) for split in SPLITS] == [900, 180, 180]


@pytest.mark.parametrize(
    ("name", "split", "limit", "message"),
    [
        ("camvids:x", "val", None, "no reader 'camvids' .* mean 'camvid'.*camvid:DIR"),
        ("/data/rendered", "val", None, "no reader '/data/rendered' .* mean 'rendered'"),
        ("rendered", "valid", None, "no split 'valid'; did you mean 'val'"),
        ("rendered", "val", 0, "limit of at least 1 sample, found 0"),
        ("camvid", "val", None, "camvid is read from files; expected camvid:DIR"),
        ("video", "val", None, "video is read from files; expected video:FILE"),
        ("rendered:", "val", None, "nothing behind the colon; expected rendered"),
        ("coco2017:x", "val", None, "no reader 'coco2017' .* mean 'coco'"),
    ],
)
def test_bad_names_are_usage_errors_with_the_nearest_known(name, split, limit, message):
    with pytest.raises(UsageError, match=message):
        open_dataset(name, split, limit)


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(EdgeMtlError, match="no such folder"):
        open_dataset(f"camvid:{tmp_path}/none", "val")
    with pytest.raises(EdgeMtlError, match="no such folder"):
        open_dataset(f"rendered:{tmp_path}/none", "val")


@pytest.mark.parametrize("reader", sorted(READERS))
def test_every_reader_names_what_it_looked_for_in_an_empty_folder(reader, tmp_path):
    with pytest.raises(EdgeMtlError, match=rf"{tmp_path}.*expected .*found "):
        open_dataset(f"{reader}:{tmp_path}", "val")


def test_naming_data_sets_loads_no_opencv():
    code = "import sys, edge_mtl.data.datasets; sys.exit('cv2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
