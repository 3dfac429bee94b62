from __future__ import annotations

from collections.abc import Callable
from xml.etree.ElementTree import fromstring

import pytest

from edge_mtl.benchmark.report.naming import NamedSubject
from edge_mtl.benchmark.report.svg import NARROW, WIDE, Drawing, series, shortened, text_px
from edge_mtl.benchmark.result import Subject

NOTE = "accuracy 0.741, mean of 3 tasks"


@pytest.mark.parametrize(
    ("most", "shown"),
    [(40, "driving-s, openvino"), (19, "driving-s, openvino"), (11, "drivi…nvino"), (1, "dr…o")],
)
def test_the_middle_of_a_name_is_left_out(most: int, shown: str) -> None:
    assert shortened("driving-s, openvino", most) == shown


@pytest.mark.parametrize(("width", "room"), [(WIDE, WIDE - text_px(NOTE)), (NARROW, NARROW)])
def test_a_long_name_ends_before_its_note(
    subject: Callable[..., Subject], width: int, room: float
) -> None:
    long = "n" * 300
    drawing = Drawing(width, 100, "names")
    drawing.heading((0, 20), NamedSubject(7, long, subject()), NOTE)
    _, number, name, note = fromstring(drawing.markup())
    assert (number.text, note.text) == ("7", NOTE)
    assert name.text is not None
    assert float(name.attrib["x"]) + text_px(name.text) <= room
    assert name.findtext("title") == long
    assert (note.attrib["y"] == name.attrib["y"]) == (width == WIDE)


def test_what_is_drawn_is_escaped_and_to_a_tenth_of_a_pixel() -> None:
    drawing = Drawing(100, 50, '"<b>&')
    drawing.text((1 / 3, -0.01), "</text><script>", "name")
    drawing.polyline([(1.23456, 2), (1e5, 0)], "series")
    markup = drawing.markup()
    assert 'aria-label="&quot;&lt;b&gt;&amp;"' in markup
    assert '<text class="name" x="0.3" y="0">&lt;/text&gt;&lt;script&gt;</text>' in markup
    assert 'points="1.2,2 100000,0"' in markup


def test_colours_begin_again_after_the_last() -> None:
    assert [series(number) for number in (1, 6, 7)] == ["s1", "s6", "s1"]
