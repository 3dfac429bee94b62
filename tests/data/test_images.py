import struct
import zlib

import cv2
import numpy as np
import pytest

from edge_mtl.data.images import read_image, read_mask
from edge_mtl.errors import EdgeMtlError


@pytest.fixture
def picture():
    ramp = np.linspace(0, 255, 64 * 48 * 3).reshape(48, 64, 3)
    return ramp.astype(np.uint8)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_reads_what_was_written(tmp_path, picture, suffix):
    path = tmp_path / f"bild-ä{suffix}"
    path.write_bytes(cv2.imencode(suffix, picture)[1].tobytes())
    assert np.abs(read_image(path).astype(int) - picture).mean() < (4 if suffix == ".jpg" else 1e-9)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
@pytest.mark.parametrize("part", [0.3, 0.6, 0.99])
def test_a_file_that_ends_early_is_an_error(tmp_path, picture, suffix, part):
    data = cv2.imencode(suffix, picture)[1].tobytes()
    path = tmp_path / f"cut{suffix}"
    path.write_bytes(data[: int(part * len(data))])
    with pytest.raises(EdgeMtlError, match=r"cut\.\w+: .*fetch it again"):
        read_image(path)


@pytest.mark.parametrize(
    ("content", "found"),
    [(None, "No such file"), (b"", "0 bytes"), (b"not a picture", "13 bytes that are neither")],
)
def test_what_is_no_image_is_named_and_nothing_is_printed(tmp_path, capfd, content, found):
    path = tmp_path / "frame.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(EdgeMtlError, match=f"frame.png: .*{found}"):
        read_image(path)
    assert capfd.readouterr() == ("", "")


def test_a_header_of_more_pixels_than_can_be_is_an_error(tmp_path, picture):
    data = bytearray(cv2.imencode(".png", picture)[1].tobytes())
    data[16:24] = struct.pack(">II", 100_000, 100_000)  # width and height
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    path = tmp_path / "frame.png"
    path.write_bytes(data)
    with pytest.raises(EdgeMtlError, match=r"frame\.png: OpenCV refuses .*PIXELS.*fetch it again"):
        read_image(path)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.zeros((30, 40), np.uint8), "image's size 64x48, found 40x30"),
        (np.zeros((48, 64, 3), np.uint8), "one 8-bit channel, found 3 of uint8"),
        (np.zeros((48, 64), np.uint16), "one 8-bit channel, found 1 of uint16"),
        (np.full((48, 64), 7, np.uint8), "class ids 0 to 2, 255, found 7 in 3072 pixels"),
    ],
)
def test_a_mask_that_does_not_fit_is_an_error(tmp_path, mask, message):
    path = tmp_path / "mask.png"
    cv2.imwrite(str(path), mask)
    with pytest.raises(EdgeMtlError, match=f"mask.png: .*{message}"):
        read_mask(path, (64, 48), [0, 1, 2, 255])


def test_a_mask_keeps_its_ids(tmp_path):
    mask = np.random.default_rng(0).choice([0, 1, 2, 255], (48, 64)).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png", (64, 48), [0, 1, 2, 255]), mask)
