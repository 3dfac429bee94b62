import sys

import pytest

from edge_mtl.config import convert_config
from edge_mtl.data.class_map import AttributeMap, ClassMap, MaskMap
from edge_mtl.errors import UsageError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

TEXT = """
boxes = { vehicle = "car", motobike = "" }
masks.road = { source = "segmentation", classes = { Road = "road" }, rest = "background" }
attributes.present = { source = "boxes", min_share = 0.01 }
attributes.time = { source = "timeofday", classes = { "dawn/dusk" = "dusk" } }
"""


def test_it_stands_in_toml():
    assert convert_config(tomllib.loads(TEXT), ClassMap, "test") == ClassMap(
        boxes={"vehicle": "car", "motobike": ""},
        masks={"road": MaskMap(source="segmentation", classes={"Road": "road"}, rest="background")},
        attributes={
            "present": AttributeMap(source="boxes", min_share=0.01),
            "time": AttributeMap(source="timeofday", classes={"dawn/dusk": "dusk"}),
        },
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("box = {}", "unknown key 'box'; did you mean 'boxes'"),
        ('masks.road = { sources = "segmentation" }', "sources"),
        ("masks.road = {}", "missing required field `source`"),
        ('attributes.a = { source = "boxes", min_share = 2 }', "<= 1.0"),
        ('boxes = ["car"]', "Expected `object`"),
    ],
)
def test_mistakes_are_usage_errors(text, message):
    with pytest.raises(UsageError, match=f"test: .*{message}"):
        convert_config(tomllib.loads(text), ClassMap, "test")
