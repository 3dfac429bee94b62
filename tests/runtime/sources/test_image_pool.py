from __future__ import annotations

from pathlib import Path

import pytest

from edge_mtl.runtime.sources import open_source
from edge_mtl.runtime.sources.image_pool import ImagePool


def test_an_image_that_nobody_holds_is_given_again() -> None:
    pool = ImagePool()
    image = pool.take(4, 6)
    assert image.shape == (4, 6, 3)
    place = image.ctypes.data
    view = image[1:2]
    del image
    other = pool.take(4, 6)
    assert other.ctypes.data != place  # a view holds it
    del view
    assert pool.take(4, 6).ctypes.data == place
    del other


def test_images_of_another_size_give_way() -> None:
    pool = ImagePool(most=2)
    held = [pool.take(4, 6) for _ in range(3)]
    assert len({image.ctypes.data for image in held}) == 3
    del held
    places = {pool.take(8, 6).ctypes.data for _ in range(5)}
    assert len(places) == 1


def test_a_video_is_read_into_the_same_few_images(tiny_video: Path) -> None:
    pytest.importorskip("cv2")
    source = open_source(str(tiny_video))
    places, previous = [], None
    while (frame := source.read()) is not None:
        places.append(frame.image.ctypes.data)
        previous = frame.image
    assert previous is not None
    assert len(places) == 30
    assert len(set(places)) <= 4
    source.close()
