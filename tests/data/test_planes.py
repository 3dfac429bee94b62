"""Planes stay with their picture through every change of it, and are 0 where nothing is known."""

from __future__ import annotations

import dataclasses

import cv2
import msgspec
import numpy as np
import pytest

from edge_mtl.data.align import align
from edge_mtl.data.augment import augment
from edge_mtl.data.copy_paste import copy_paste
from edge_mtl.data.datasets import Dataset
from edge_mtl.data.mosaic import Tile, joined
from edge_mtl.data.rendered import RenderedScenes
from edge_mtl.data.rendered.depth import NEAREST_M
from edge_mtl.data.sample import IGNORE, Boxes, Sample, Vocabulary
from edge_mtl.data.scene_folder import SceneFolder
from edge_mtl.data.scene_writer import write_scene_folder
from edge_mtl.data.warp import warp
from edge_mtl.errors import EdgeMtlError
from edge_mtl.spec import InputSpec, ModelSpec, PlaneInput
from edge_mtl.tasks import SegmentationTask

ROAD, CAR = 1, 2


def sample_of(image: np.ndarray, **fields) -> Sample:
    """A grey picture whose plane shows the same."""
    return Sample(
        np.repeat(image[:, :, None], 3, axis=2), "made", planes={"depth": image}, **fields
    )


@pytest.fixture
def texture() -> np.ndarray:
    noise = np.random.default_rng(0).integers(1, 256, (60, 80)).astype(np.uint8)
    return np.maximum(cv2.GaussianBlur(noise, (0, 0), 2.0), 1)


def test_a_warped_plane_shows_what_the_picture_shows(texture):
    sample = sample_of(texture, masks={"m": np.zeros_like(texture)})
    matrix = np.array([[1.3, -0.2, -10.0], [0.15, 1.2, 20.0]])
    warped = warp(sample, matrix, (96, 64))
    inside = warped.masks["m"] != IGNORE
    assert 0.3 < inside.mean() < 0.95
    np.testing.assert_array_equal(warped.planes["depth"][inside], warped.image[inside][:, 0])
    assert not warped.planes["depth"][~inside].any()


def test_light_and_weather_leave_planes_alone(texture, still):
    sample = sample_of(texture)
    moved = msgspec.structs.replace(still, scale=(0.7, 1.4), rotate_deg=5.0, flip=0.5)
    bad = msgspec.structs.replace(moved, fog=1.0, noise=1.0)
    made = augment(sample, (80, 60), bad, np.random.default_rng(1))
    plain = augment(sample, (80, 60), moved, np.random.default_rng(1))
    np.testing.assert_array_equal(made.planes["depth"], plain.planes["depth"])
    assert (made.image != plain.image).any()
    known = plain.planes["depth"] > 0
    np.testing.assert_array_equal(plain.planes["depth"][known], plain.image[known][:, 0])


def test_a_mosaic_has_the_planes_that_any_sample_has(texture):
    identity = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    bare = dataclasses.replace(sample_of(texture), planes={})
    tiles = [
        Tile(sample_of(texture), identity, (0, 0), (80, 60)),
        Tile(bare, identity, (80, 0), (80, 60)),
    ]
    plane = joined(tiles, (160, 60)).planes["depth"]
    np.testing.assert_array_equal(plane[:, :80], texture)
    assert not plane[:, 80:].any()


@pytest.mark.parametrize("with_plane", [True, False])
def test_a_pasted_car_brings_its_depth(with_plane):
    street = np.full((120, 160), 20, np.uint8)
    street[60:] = 40
    mask = np.where(street == 40, ROAD, 0).astype(np.uint8)
    none = Boxes(np.zeros((0, 4), np.float32), np.zeros(0, np.int64))
    sample = sample_of(street, masks={"segmentation": mask}, boxes=none)
    with_car, labels = street.copy(), mask.copy()
    with_car[50:70, 60:90], labels[50:70, 60:90] = 200, CAR
    box = Boxes(np.array([[60, 50, 90, 70]], np.float32), np.array([0]))
    partner = sample_of(with_car, masks={"segmentation": labels}, boxes=box)
    if not with_plane:
        partner = dataclasses.replace(partner, planes={})
    made = copy_paste(sample, partner, np.random.default_rng(0))
    car = made.masks["segmentation"] == CAR
    assert car.sum() == 600
    assert (made.planes["depth"][car] == (200 if with_plane else 0)).all()
    np.testing.assert_array_equal(made.planes["depth"][~car], street[~car])
    assert (sample.planes["depth"] == street).all()


def test_alignment_keeps_the_planes_that_the_network_takes(texture):
    sample = sample_of(texture, masks={"m": np.zeros_like(texture)})
    vocabulary = Vocabulary({"m": ("a", "b")}, planes=("depth",))
    spec = ModelSpec(
        name="x",
        input=InputSpec(width=64, height=32),
        backbone="none",
        tasks=(SegmentationTask(name="m", classes=("a", "b")),),
    )
    assert align(sample, vocabulary, spec).planes == {}
    planes = (PlaneInput(name="depth"), PlaneInput(name="thermal"))
    spec = ModelSpec(name="x", input=spec.input, planes=planes, backbone="none", tasks=spec.tasks)
    assert list(align(sample, vocabulary, spec).planes) == ["depth"]


@pytest.fixture
def scenes() -> Dataset:
    return RenderedScenes(2, seed=4, size=(160, 96))


def test_planes_are_written_and_read_again(scenes, tmp_path):
    write_scene_folder(scenes, tmp_path / "s")
    read = SceneFolder(tmp_path / "s")
    assert read.vocabulary.planes == ("depth",)
    for index in range(2):
        np.testing.assert_array_equal(read[index].planes["depth"], scenes[index].planes["depth"])
    path = tmp_path / "s" / "planes" / "depth" / "000001.png"
    cv2.imwrite(str(path), np.zeros((20, 30), np.uint8))
    with pytest.raises(EdgeMtlError, match=r"000001.png: .*size 160x96, found 30x20; register it"):
        read[1]


def test_a_folder_from_before_there_were_planes_has_none(scenes, tmp_path):
    write_scene_folder(scenes, tmp_path / "s")
    card = tmp_path / "s" / "dataset.json"
    text = card.read_text().replace('"planes"', '"not_known"')
    card.write_text(text)
    labels = tmp_path / "s" / "labels.jsonl"
    with pytest.raises(EdgeMtlError, match=r"line 1: expected planes named none, found depth"):
        SceneFolder(tmp_path / "s")
    labels.write_text(labels.read_text().replace(',"planes":["depth"]', ""))
    assert SceneFolder(tmp_path / "s")[0].planes == {}


def test_rendered_depth_is_that_of_the_flat_ground():
    """On the road, metres follow from the camera's height and the row."""
    from edge_mtl.data.rendered.world import World

    world = World(7, 0, (320, 192), 3.0)
    sample = RenderedScenes(1, seed=7, size=(320, 192))[0]
    camera = world.camera(0.0)
    road = sample.masks["drivable"] == 1
    rows, _ = np.nonzero(road)
    assert len(rows) > 1000
    _, down, ahead = camera.axes
    v = (rows + 0.5 - camera.centre[1]) / camera.focal
    metres = camera.height / -(down[1] * v + ahead[1])
    expected = np.minimum(255.0 * NEAREST_M / metres, 255.0)
    # The scale that depth is noted on has steps of 2.2 %.
    np.testing.assert_allclose(sample.planes["depth"][road], expected, rtol=0.03, atol=1.0)
    sky = sample.masks["segmentation"] == 0
    assert (sample.planes["depth"][sky] == 4).all()
    assert sample.planes["depth"].min() > 0
