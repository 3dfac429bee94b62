import pickle

import cv2
import numpy as np
import pytest

from edge_mtl.data.datasets import open_dataset
from edge_mtl.data.video import Video
from edge_mtl.errors import EdgeMtlError


def test_every_frame_in_any_order(tiny_video):
    data = open_dataset(f"video:{tiny_video}", "val")
    assert len(data) == 30
    assert data.vocabulary.masks == {}
    frames = [data[i].image for i in range(30)]
    greys = [float(frame.mean()) for frame in frames]
    assert greys == pytest.approx(range(0, 120, 4), abs=5)
    assert greys == sorted(set(greys))
    for index in (29, 3, 4, 17, 0):
        np.testing.assert_array_equal(data[index].image, frames[index])
    assert data[7].name == f"{tiny_video}#7"
    assert len(list(data)) == 30


def test_it_travels_to_other_processes(tiny_video):
    data = Video(tiny_video)
    before = data[5].image
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(data))[5].image, before)


def test_what_is_no_video_is_an_error(tmp_path, capfd):
    with pytest.raises(EdgeMtlError, match="expected a video file, found none"):
        Video(tmp_path / "none.mp4")
    (tmp_path / "text.mp4").write_text("not a video")
    with pytest.raises(EdgeMtlError, match="found no frames; fetch it again"):
        Video(tmp_path / "text.mp4")


def test_a_video_that_is_shorter_than_it_says_is_an_error(tmp_path, capfd):
    path = tmp_path / "cut.avi"  # whose header says how many frames there are
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25.0, (96, 64))
    for index in range(30):
        writer.write(np.full((64, 96, 3), 4 * index, np.uint8))
    writer.release()
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    data = Video(path)
    assert data[3].image.mean() == pytest.approx(12, abs=5)
    with pytest.raises(EdgeMtlError, match=rf"cut\.avi: expected {len(data)} frames, found no fra"):
        data[len(data) - 1]
    assert data[2].image.mean() == pytest.approx(8, abs=5)
    with pytest.raises(IndexError, match=f"found {len(data)}"):
        data[len(data)]
