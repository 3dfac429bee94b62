import dataclasses

import numpy as np
import pytest

from edge_mtl.data.class_map import AttributeMap, ClassMap, MaskMap
from edge_mtl.data.mapped import mapped
from edge_mtl.data.sample import IGNORE, Boxes, Sample, Vocabulary
from edge_mtl.errors import UsageError
from edge_mtl.tasks import KEYPOINTS

SAMPLE = Sample(
    image=np.zeros((2, 4, 3), np.uint8),
    name="one",
    masks={
        "segmentation": np.array([[0, 1, 2, 2], [3, 1, 1, IGNORE]], np.uint8),
        "lanes": np.array([[0, 0, 0, 1], [0, 0, 0, 0]], np.uint8),
    },
    boxes=Boxes(
        corners=np.array([[0, 0, 1, 1], [0, 0, 2, 2], [1, 0, 3, 2], [0, 0, 4, 2]], np.float32),
        class_ids=np.array([0, 1, 2, 1]),
        keypoints=np.arange(4, dtype=np.float32)[:, None, None] * np.ones((4, len(KEYPOINTS), 3)),
        ignored=np.array([[3, 1, 4, 2]], np.float32),
    ),
    attributes={"timeofday": "dawn/dusk", "weather": "rainy"},
)


class One:
    """`SAMPLE` again and again."""

    name = "one:made"
    vocabulary = Vocabulary(
        masks={"segmentation": ("Sky", "Road", "Car", "Bus"), "lanes": ("background", "lane")},
        boxes=("truck", "vehicle", "bike"),
        attributes={"timeofday": ("daytime", "dawn/dusk", "night"), "weather": ("clear", "rainy")},
    )

    def __init__(self, sample=SAMPLE):
        self.sample = sample

    def __len__(self):
        return 3

    def __getitem__(self, index):
        return self.sample


def changed(**fields):
    return One(dataclasses.replace(SAMPLE, **fields))


def test_an_empty_map_changes_nothing():
    data = One()
    assert mapped(data, ClassMap()) is data


def test_a_mask_is_made_of_another_and_the_rest_is_one_class():
    class_map = ClassMap(
        masks={
            "vehicle": MaskMap(
                source="segmentation",
                classes={"Car": "vehicle", "Bus": "vehicle", "Sky": ""},
                rest="background",
            )
        }
    )
    data = mapped(One(), class_map)
    assert data.vocabulary.masks["vehicle"] == ("background", "vehicle")
    assert data.vocabulary.masks["segmentation"] == One.vocabulary.masks["segmentation"]
    expected = [[IGNORE, 0, 1, 1], [1, 0, 0, IGNORE]]
    assert data[0].masks["vehicle"].tolist() == expected
    assert data[0].masks["segmentation"] is SAMPLE.masks["segmentation"]
    assert (data.name, len(data)) == ("one:made", 3)


def test_without_a_rest_other_classes_are_ignored():
    class_map = ClassMap(masks={"road": MaskMap(source="segmentation", classes={"Road": "road"})})
    data = mapped(One(), class_map)
    assert data.vocabulary.masks["road"] == ("road",)
    assert data[0].masks["road"].tolist() == [[IGNORE, 0] + [IGNORE] * 2, [IGNORE, 0, 0, IGNORE]]


def test_a_mask_may_take_the_place_of_its_source():
    class_map = ClassMap(
        masks={"segmentation": MaskMap(source="segmentation", classes={"Bus": "Car"}, rest="Else")}
    )
    data = mapped(One(), class_map)
    assert data.vocabulary.masks["segmentation"] == ("Else", "Car")
    assert data[0].masks["segmentation"].tolist() == [[0, 0, 0, 0], [1, 0, 0, IGNORE]]
    assert mapped(changed(masks={}), class_map)[0].masks == {}


def test_a_made_mask_never_keeps_ids_of_the_one_that_it_replaces():
    class_map = ClassMap(masks={"lanes": MaskMap(source="segmentation", rest="all")})
    data = mapped(changed(masks={"lanes": SAMPLE.masks["lanes"]}), class_map)
    assert data[0].masks == {}


def test_boxes_get_new_names_and_dropped_classes_become_areas_to_ignore():
    data = mapped(One(), ClassMap(boxes={"vehicle": "car", "truck": "car", "bike": ""}))
    assert data.vocabulary.boxes == ("car",)
    boxes = data[0].boxes
    assert boxes.class_ids.tolist() == [0, 0, 0]
    assert boxes.corners.tolist() == SAMPLE.boxes.corners[[0, 1, 3]].tolist()
    assert boxes.keypoints[:, 0, 0].tolist() == [0, 1, 3]
    assert boxes.ignored.tolist() == [[3, 1, 4, 2], [1, 0, 3, 2]]
    assert boxes.searched is None


def test_other_box_classes_keep_their_names():
    data = mapped(One(), ClassMap(boxes={"bike": "cyclist"}))
    assert data.vocabulary.boxes == ("truck", "vehicle", "cyclist")
    assert data[0].boxes.class_ids.tolist() == [0, 1, 2, 1]
    assert mapped(changed(boxes=None), ClassMap(boxes={"bike": "cyclist"}))[0].boxes is None


def test_a_joined_class_was_searched_where_all_its_parts_were():
    boxes = dataclasses.replace(SAMPLE.boxes, searched=np.array([False, True, True]))
    data = mapped(changed(boxes=boxes), ClassMap(boxes={"vehicle": "truck"}))
    assert data.vocabulary.boxes == ("truck", "bike")
    assert data[0].boxes.searched.tolist() == [False, True]


def test_an_attribute_gets_new_values():
    time = AttributeMap(source="timeofday", classes={"daytime": "day", "dawn/dusk": "dusk"})
    wet = AttributeMap(source="weather", classes={"rainy": ""})
    data = mapped(One(), ClassMap(attributes={"time": time, "weather": wet}))
    assert data.vocabulary.attributes == {
        "timeofday": ("daytime", "dawn/dusk", "night"),
        "weather": ("clear",),
        "time": ("day", "dusk", "night"),
    }
    assert data[0].attributes == {"timeofday": "dawn/dusk", "time": "dusk"}
    assert mapped(changed(attributes={}), ClassMap(attributes={"time": time}))[0].attributes == {}


def test_several_values_get_new_names_each():
    present = AttributeMap(source="weather", classes={"rainy": "wet", "clear": ""})
    data = changed(attributes={"weather": ("clear", "rainy")})
    assert mapped(data, ClassMap(attributes={"now": present}))[0].attributes["now"] == ("wet",)


@pytest.mark.parametrize(
    ("min_share", "expected"),
    [
        (None, ("Sky", "Road", "vehicle")),
        (0.125, ("Sky", "Road", "vehicle")),
        (0.2, ("Road", "vehicle")),
        (0.3, ("Road",)),
        (0.5, ()),
    ],
)
def test_what_a_mask_shows_is_present(min_share, expected):
    """Of 8 pixels Sky has 1, Road 3, Car 2, Bus 1."""
    names = {"Car": "vehicle", "Bus": "vehicle"}
    present = AttributeMap(source="segmentation", classes=names, min_share=min_share)
    data = mapped(One(), ClassMap(attributes={"present": present}))
    assert data.vocabulary.attributes["present"] == ("Sky", "Road", "vehicle")
    assert data[0].attributes["present"] == expected


def test_what_boxes_show_is_present_under_its_new_name():
    present = ClassMap(
        boxes={"vehicle": "car"}, attributes={"seen": AttributeMap(source="boxes", min_share=0.3)}
    )
    data = mapped(One(), present)
    assert data.vocabulary.attributes["seen"] == ("truck", "car", "bike")
    assert data[0].attributes["seen"] == ("car", "bike")  # 1, 12 and 4 of 8 pixels
    assert "seen" not in mapped(changed(boxes=None), present)[0].attributes
    partly = dataclasses.replace(SAMPLE.boxes, searched=np.array([True, True, False]))
    assert "seen" not in mapped(changed(boxes=partly), present)[0].attributes


def test_an_attribute_may_be_made_of_a_made_mask():
    class_map = ClassMap(
        masks={"sky": MaskMap(source="segmentation", classes={"Sky": "sky"}, rest="")},
        attributes={"view": AttributeMap(source="sky")},
    )
    data = mapped(One(), class_map)
    assert data.vocabulary.masks["sky"] == ("sky",)
    assert data[0].attributes["view"] == ("sky",)


@pytest.mark.parametrize(
    ("class_map", "message"),
    [
        (
            ClassMap(boxes={"vehicles": "car"}),
            "boxes names 'vehicles', which is no box class of one:made; did you mean 'vehicle'",
        ),
        (
            ClassMap(masks={"road": MaskMap(source="segments", rest="x")}),
            r"masks\.road\.source names 'segments', .* mean 'segmentation'\? Known: segm",
        ),
        (
            ClassMap(masks={"road": MaskMap(source="lanes", classes={"lanes": "x"})}),
            r"masks\.road\.classes names 'lanes', which is no class .* mean 'lane'",
        ),
        (
            ClassMap(attributes={"time": AttributeMap(source="time_of_day")}),
            r"attributes\.time\.source names 'time_of_day', .* mean 'timeofday'",
        ),
        (
            ClassMap(attributes={"time": AttributeMap(source="timeofday", classes={"dusk": "d"})}),
            r"attributes\.time\.classes names 'dusk', .* mean 'dawn/dusk'",
        ),
        (
            ClassMap(attributes={"time": AttributeMap(source="timeofday", min_share=0.1)}),
            r"attributes\.time: min_share is for .*found the attribute 'timeofday'",
        ),
    ],
)
def test_unknown_names_are_usage_errors_with_the_nearest(class_map, message):
    with pytest.raises(UsageError, match=message):
        mapped(One(), class_map)


def test_a_map_of_what_the_data_does_not_have_at_all_is_a_usage_error():
    data = One()
    data.vocabulary = Vocabulary(masks={})
    with pytest.raises(UsageError, match="'car', but one:made has no box class; drop it"):
        mapped(data, ClassMap(boxes={"car": "vehicle"}))
    with pytest.raises(UsageError, match="'boxes', but one:made has no attribute, mask or boxes"):
        mapped(data, ClassMap(attributes={"seen": AttributeMap(source="boxes")}))
