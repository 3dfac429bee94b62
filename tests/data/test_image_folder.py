import pytest

from edge_mtl.data.datasets import open_dataset
from edge_mtl.data.image_folder import ImageFolder
from edge_mtl.errors import EdgeMtlError


def test_all_images_below_a_folder_in_order_without_labels(tmp_path, save_image):
    save_image(tmp_path / "b.png", grey=30)
    save_image(tmp_path / "a" / "z.jpg", grey=10)
    (tmp_path / "notes.txt").write_text("no image")
    data = ImageFolder(tmp_path)
    assert [int(sample.image.mean()) for sample in data] == [10, 30]
    assert data.vocabulary.masks == {}
    assert data.vocabulary.boxes == ()
    assert data[0].boxes is None
    assert data[0].name.endswith("z.jpg")


def test_the_part_of_the_split_where_there_are_parts(tmp_path, save_image):
    save_image(tmp_path / "train" / "a.png", grey=10)
    save_image(tmp_path / "val" / "a.png", grey=20)
    for split, greys in (("train", [10]), ("val", [20]), ("test", [10, 20])):
        data = open_dataset(f"images:{tmp_path}", split)
        assert [int(sample.image.mean()) for sample in data] == greys


def test_a_folder_without_images_is_an_error(tmp_path):
    with pytest.raises(EdgeMtlError, match=r"expected images \(\.jpg, .*found an empty folder"):
        ImageFolder(tmp_path)
    with pytest.raises(EdgeMtlError, match="no such folder"):
        ImageFolder(tmp_path / "nowhere")
