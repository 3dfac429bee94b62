import logging
import pickle

import numpy as np
import pytest

from edge_mtl.data.datasets import open_dataset
from edge_mtl.data.sample import Sample, Vocabulary
from edge_mtl.data.skipping import LONGEST_GAP, Skipping, SkipReport
from edge_mtl.errors import EdgeMtlError, UsageError


class Damaged:
    """Pictures whose grey value is their index, of which some cannot be read."""

    name = "damaged:made"
    vocabulary = Vocabulary(masks={})

    def __init__(self, count, damaged, error=EdgeMtlError):
        self.count, self.damaged, self.error = count, set(damaged), error

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        if index >= self.count:
            raise IndexError(index)
        if index in self.damaged:
            raise self.error(f"{index}.jpg: the file ends early")
        return Sample(np.full((8, 8, 3), index, np.uint8), f"{index}.jpg")


def names(data):
    return [sample.name for sample in data]


def test_the_next_readable_sample_stands_in(caplog):
    data = Skipping(Damaged(6, [1, 2, 5]))
    assert names(data) == ["0.jpg", "3.jpg", "3.jpg", "3.jpg", "4.jpg", "0.jpg"]
    assert (data.name, data.vocabulary, len(data)) == ("damaged:made", Damaged.vocabulary, 6)


def test_every_file_is_reported_once_and_counted(caplog):
    data = Skipping(Damaged(6, [1, 2, 5]))
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            names(data)
    assert data.report.skipped == 3
    messages = [record.getMessage() for record in caplog.records]
    assert messages == [f"skipped: {i}.jpg: the file ends early" for i in (1, 2, 5)]
    assert {record.levelname for record in caplog.records} == {"WARNING"}


def test_other_processes_hand_their_problems_over(caplog):
    mine, theirs = SkipReport(), pickle.loads(pickle.dumps(Skipping(Damaged(6, [1, 2]))))
    with caplog.at_level(logging.WARNING):
        sample, problems = theirs.read(1)
        assert caplog.records == []
        mine.add(problems)
        mine.add(theirs.read(2)[1])
        mine.add(theirs.read(0)[1])
    assert sample.name == "3.jpg"
    assert problems == ("1.jpg: the file ends early", "2.jpg: the file ends early")
    assert (mine.skipped, theirs.report.skipped, len(caplog.records)) == (2, 0, 2)


@pytest.mark.parametrize("count", [3, LONGEST_GAP + 50])
def test_where_nothing_can_be_read_training_stops(count):
    data = Skipping(Damaged(count, range(count - 1)))
    assert data[count - 1].name == f"{count - 1}.jpg"
    assert data[count - 2].name == f"{count - 1}.jpg"
    unreadable = Skipping(Damaged(count, range(count)))
    rows = min(count, LONGEST_GAP)
    with pytest.raises(EdgeMtlError, match=rf"{rows} samples in a row .*first: 1\.jpg: the file"):
        unreadable[1]


def test_mistakes_of_the_user_and_bugs_are_not_skipped():
    with pytest.raises(UsageError):
        Skipping(Damaged(3, [0], UsageError))[0]
    with pytest.raises(ZeroDivisionError):
        Skipping(Damaged(3, [0], ZeroDivisionError))[0]


def test_damaged_images_on_disk(tmp_path, save_image):
    for i in range(4):
        save_image(tmp_path / f"{i}.png", grey=10 * i)
    whole = (tmp_path / "2.png").read_bytes()
    (tmp_path / "2.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "3.png").write_bytes(b"")
    data = Skipping(open_dataset(f"images:{tmp_path}", "train"))
    assert [int(sample.image.mean()) for sample in data] == [0, 10, 0, 0]
    assert data.report.skipped == 2
