"""`ClassMap`: a data set's labels under other names, as a TOML file says it.

    [data.train.classes]
    boxes = { vehicle = "car", bike = "cyclist", motobike = "" }
    masks.road = { source = "segmentation", classes = { Road = "road" }, rest = "background" }
    attributes.time = { source = "timeofday", classes = { daytime = "day" } }
    attributes.present = { source = "segmentation", min_share = 0.01 }

`edge_mtl.data.mapped` applies it.
"""

from __future__ import annotations

import msgspec

from edge_mtl.tasks import Fraction


class MaskMap(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A mask made from another one.

    source: the mask of the data set.
    classes: by class of the source, its class in the new mask; "" makes its pixels `IGNORE`.
    rest: the class of all labelled pixels of other classes, which are `IGNORE` where it is missing.
    """

    source: str
    classes: dict[str, str] = {}
    rest: str | None = None


class AttributeMap(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An attribute made from another one, or from what a mask or the boxes show.

    source: "boxes", a mask or an attribute of the data set, after their own maps.
    classes: new names by old ones; others keep theirs. "": nothing is said of it.
    min_share: of "boxes" or a mask, every class is present that has any of the picture, and at
        least this share of it (boxes: the sum of their areas).
    """

    source: str
    classes: dict[str, str] = {}
    min_share: Fraction | None = None


class ClassMap(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The labels of a data set under the names of a network's tasks.

    What a map does not name stays as it is; several old names may get the same new one.

    masks: by name of the mask to make.
    boxes: new names by old ones; others keep theirs. "": objects of the class become areas to
        ignore, where nothing found is wrong. They may look too much like a class that is kept to
        be taught as background.
    attributes: by name of the attribute to make.
    """

    masks: dict[str, MaskMap] = {}
    boxes: dict[str, str] = {}
    attributes: dict[str, AttributeMap] = {}
