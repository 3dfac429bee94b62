"""SVG that a page holds inline: it takes its colours and fonts from the page's style sheet.

A chart is drawn twice, for a wide page and for a phone, because one drawing that is scaled to both
has letters that are too large or too small; the style sheet shows one of them. Everything is
escaped by ElementTree, and the same figures give the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement, tostring

from edge_mtl.benchmark.report.naming import NamedSubject

WIDE, NARROW = 900, 340
"""The widths in pixels at which charts are drawn."""

SERIES = 6
"""How many subjects have a colour and dashes of their own; after those it begins again. The number
in a disc tells all of them apart."""

_LETTER_PX, _BOLD_PX = 7.2, 8.3  # the average width of a letter of 13 px, on the safe side
_DISC_PX, _BESIDE_PX = 8.5, 19

Spot = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart with the words that stand with it.

    drawings: the wide one and the narrow one. label: what a screen reader says in their place.
    caption: what is to be seen, in sentences. key: the numbers in discs, with what they stand for.
    notes: what is not shown, and why.
    """

    title: str
    label: str
    caption: str
    drawings: tuple[str, str]
    key: tuple[tuple[int, str], ...] = ()
    notes: tuple[str, ...] = ()


def twice(draw: Callable[[int], Drawing]) -> tuple[str, str]:
    """The markup of a chart at both widths."""
    wide, narrow = (draw(width).markup() for width in (WIDE, NARROW))
    return wide, narrow


def heading_px(width: int) -> int:
    """How high the heading of a row is, in a chart so wide: on a phone it has a second line."""
    return 40 if width <= NARROW else 24


def series(number: int) -> str:
    """The class that gives a subject, or a curve, its colour and its dashes."""
    return f"s{(number - 1) % SERIES + 1}"


class Drawing:
    """Elements at pixels of a canvas. `css` names the classes of page/report.css."""

    def __init__(self, width: float, height: float, label: str) -> None:
        self.width = width
        self.height = height
        box = f"0 0 {_px(width)} {_px(height)}"
        self._root = Element("svg", {"viewBox": box, "role": "img", "aria-label": label})

    @property
    def is_narrow(self) -> bool:
        """For a phone."""
        return self.width <= NARROW

    def line(self, start: Spot, end: Spot, css: str) -> None:
        """A straight line."""
        self._add("line", css, x1=start[0], y1=start[1], x2=end[0], y2=end[1])

    def polyline(self, spots: Iterable[Spot], css: str) -> None:
        """Straight lines from spot to spot."""
        data = " ".join(f"{_px(x)},{_px(y)}" for x, y in spots)
        SubElement(self._root, "polyline", {"class": css, "points": data})

    def dots(self, spots: Iterable[Spot], css: str) -> None:
        """Many dots as one element: the ends of lines without length are round."""
        data = "".join(f"M{_px(x)} {_px(y)}h0" for x, y in spots)
        if data:
            SubElement(self._root, "path", {"class": css, "d": data})

    def crosses(self, spots: Iterable[Spot], css: str, arm: float = 3.5) -> None:
        """Many crosses as one element."""
        data = "".join(
            f"M{_px(x - arm)} {_px(y - arm)}l{2 * arm:g} {2 * arm:g}m0 {-2 * arm:g}l{-2 * arm:g} "
            f"{2 * arm:g}"
            for x, y in spots
        )
        if data:
            SubElement(self._root, "path", {"class": css, "d": data})

    def bars(self, bars: Iterable[tuple[float, float, float, float]], css: str) -> None:
        """Many boxes (x, y, width, height) as one element."""
        data = "".join(
            f"M{_px(x)} {_px(y)}h{_px(width)}v{_px(height)}h{_px(-width)}z"
            for x, y, width, height in bars
        )
        if data:
            SubElement(self._root, "path", {"class": css, "d": data})

    def rect(self, spot: Spot, width: float, height: float, css: str) -> None:
        """A box, at least a pixel wide so that what is small is seen."""
        self._add("rect", css, x=spot[0], y=spot[1], width=max(1.0, width), height=height, rx=2)

    def circle(self, spot: Spot, radius: float, css: str) -> None:
        """A disc or a ring."""
        self._add("circle", css, cx=spot[0], cy=spot[1], r=radius)

    def diamond(self, spot: Spot, radius: float, css: str) -> None:
        """A square on its corner."""
        (x, y), r = spot, _px(radius)
        data = f"M{_px(x)} {_px(y - radius)}l{r} {r}l-{r} {r}l-{r} -{r}z"
        SubElement(self._root, "path", {"class": css, "d": data})

    def whisker(self, y: float, low: float, high: float, css: str, cap: float = 4) -> None:
        """A horizontal line with an end at either side."""
        data = (
            f"M{_px(low)} {_px(y)}H{_px(high)}M{_px(low)} {_px(y - cap)}v{2 * cap:g}"
            f"M{_px(high)} {_px(y - cap)}v{2 * cap:g}"
        )
        SubElement(self._root, "path", {"class": css, "d": data})

    def upright_whisker(self, x: float, low: float, high: float, css: str, cap: float = 4) -> None:
        """A vertical line with an end at either side."""
        data = (
            f"M{_px(x)} {_px(low)}V{_px(high)}M{_px(x - cap)} {_px(low)}h{2 * cap:g}"
            f"M{_px(x - cap)} {_px(high)}h{2 * cap:g}"
        )
        SubElement(self._root, "path", {"class": css, "d": data})

    def text(self, spot: Spot, words: str, css: str = "", room: float | None = None) -> None:
        """Words from `spot` on; with the class "end" before it, with "middle" around it.

        room: pixels; what does not fit is cut in the middle, and shown whole under the pointer.
        """
        letter = _BOLD_PX if "name" in css.split() else _LETTER_PX
        shown = words if room is None else shortened(words, int(room / letter))
        element = self._add("text", css, x=spot[0], y=spot[1])
        element.text = shown
        if shown != words:
            SubElement(element, "title").text = words

    def disc(self, spot: Spot, number: int) -> None:
        """The number of a subject, or of a curve, in its colour."""
        self._add("circle", f"disc {series(number)}", cx=spot[0], cy=spot[1], r=_DISC_PX)
        self.text((spot[0], spot[1] + 4), str(number), "in-disc")

    def heading(self, spot: Spot, subject: NamedSubject, note: str = "") -> None:
        """The number and the name of a subject above its row, and a note at its right end or, on a
        phone, below it."""
        x, y = spot
        self.disc((x + _DISC_PX, y - 4.5), subject.number)
        left = x + 2 * _DISC_PX + 6
        if self.is_narrow:
            self.text((left, y), subject.name, "name", self.width - left)
            self.text((left, y + 16), note, "quiet", self.width - left)
            return
        self.text((left, y), subject.name, "name", self.width - left - text_px(note))
        self.text((self.width, y), note, "quiet end")

    def markup(self) -> str:
        """The element."""
        return tostring(self._root, encoding="unicode")

    def _add(self, name: str, css: str, **at: float) -> Element:
        attributes = {key: _px(each) for key, each in at.items()}
        return SubElement(self._root, name, {"class": css, **attributes} if css else attributes)


def apart(spots: Iterable[Spot]) -> list[Spot]:
    """Where numbers stand: at their spots, or above where another one stands already."""
    found: list[Spot] = []
    for x, y in spots:
        while any(abs(x - a) < _BESIDE_PX and abs(y - b) < _BESIDE_PX for a, b in found):
            y -= _BESIDE_PX
        found.append((x, y))
    return found


def text_px(words: str) -> float:
    """How wide words are, on the safe side."""
    return len(words) * _LETTER_PX


def shortened(words: str, most: int) -> str:
    """The words, without their middle where they have more than `most` letters."""
    most = max(4, most)
    if len(words) <= most:
        return words
    tail = (most - 1) // 2
    return f"{words[: most - 1 - tail]}…{words[-tail:]}"


def _px(value: float) -> str:
    """To a tenth of a pixel."""
    return f"{round(value, 1) + 0.0:g}"
