"""The page in a browser, on a desk and on a phone, by day and by night, and on paper.

Chromium is looked for on the PATH, or where EDGE_MTL_CHROMIUM says.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest

pytest.importorskip("jinja2", reason="Jinja, of the extra report, is not installed")
pytest.importorskip("playwright", reason="Playwright, of the extra dev, is not installed")

from playwright.sync_api import Browser, ViewportSize

from edge_mtl.benchmark.report.html import write_html
from edge_mtl.benchmark.result import BenchResult, Subject

Make = Callable[..., Subject]
MakeResult = Callable[..., BenchResult]
A4_WITHIN_MARGINS: ViewportSize = {"width": 688, "height": 1016}  # of 14 mm, in CSS pixels
LEAST_CONTRAST = 4.5  # WCAG 2.2, level AA, of text
LEAST_LETTERS_PX = 10.0

# Of every element with text of its own that is shown: its contrast, and the size of its letters.
LOOK = """() => {
    const parsed = colour => colour.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => {
        const part = c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
        return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
    };
    const behind = element => {
        if (element.classList.contains("in-disc"))
            return parsed(getComputedStyle(element.previousElementSibling).fill);
        for (; element; element = element.parentElement) {
            const [r, g, b, a = 1] = parsed(getComputedStyle(element).backgroundColor);
            if (a > 0) return [r, g, b];
        }
        return [255, 255, 255];
    };
    const found = [];
    for (const element of document.body.querySelectorAll("*")) {
        const own = [...element.childNodes].some(n => n.nodeType === 3 && n.data.trim());
        const box = element.getBoundingClientRect();
        if (!own || box.width < 2 || element.closest("style, thead") || !element.checkVisibility())
            continue;
        const style = getComputedStyle(element);
        const svg = element.ownerSVGElement;
        const scale = svg ? svg.getBoundingClientRect().width / svg.viewBox.baseVal.width : 1;
        const ink = light(parsed(svg ? style.fill : style.color)), paper = light(behind(element));
        found.push({
            text: element.textContent.trim().slice(0, 40),
            contrast: (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05),
            px: parseFloat(style.fontSize) * scale,
            inside: !svg || svg.getBoundingClientRect().right + 1 >= box.right
                && svg.getBoundingClientRect().left - 1 <= box.left,
        });
    }
    return found;
}"""


@pytest.fixture(scope="module")
def address(
    made_up: BenchResult, other_machine: BenchResult, tmp_path_factory: pytest.TempPathFactory
) -> str:
    path = tmp_path_factory.mktemp("report") / "page.html"
    write_html([made_up, other_machine], path)
    return path.as_uri()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_is_whole_and_can_be_read(
    browser: Browser, address: str, width: int, scheme: Literal["light", "dark"]
) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme, java_script_enabled=True
    )
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: complaints.append(request.url))
    page.goto(address)
    assert complaints == [address]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    boxes = page.evaluate(
        """() => [...document.querySelectorAll("figure")].map(figure =>
            [...figure.querySelectorAll("svg")].filter(svg => svg.checkVisibility())
                .map(svg => svg.getBoundingClientRect()).map(box => [box.width, box.height]))"""
    )
    assert len(boxes) == 16
    assert all(len(shown) == 1 and min(shown[0]) > 60 for shown in boxes)
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor").startswith("rgb(1")
    assert dark == (scheme == "dark")
    texts = page.evaluate(LOOK)
    assert len(texts) > 500
    assert [each for each in texts if each["contrast"] < LEAST_CONTRAST] == []
    assert [each for each in texts if each["px"] < LEAST_LETTERS_PX] == []
    assert [each for each in texts if not each["inside"]] == []
    context.close()


def test_it_is_light_on_paper_and_no_chart_is_cut(
    browser: Browser, subject: Make, result: MakeResult, tmp_path: Path
) -> None:
    path = tmp_path / "page.html"
    many = tuple(subject(f"net-{number}", seed=number) for number in range(12))
    write_html([result(subjects=many, comparisons=())], path)
    context = browser.new_context(viewport=A4_WITHIN_MARGINS, color_scheme="dark")
    page = context.new_page()
    page.emulate_media(media="print", color_scheme="dark")
    page.goto(path.as_uri())
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert [each for each in page.evaluate(LOOK) if each["contrast"] < LEAST_CONTRAST] == []
    figures = page.evaluate(
        """() => [...document.querySelectorAll("figure")].map(figure =>
            [figure.getBoundingClientRect().height, getComputedStyle(figure).breakInside])"""
    )
    assert max(height for height, _ in figures) <= A4_WITHIN_MARGINS["height"]
    assert {breaks for _, breaks in figures} == {"avoid"}
    assert page.pdf(prefer_css_page_size=True).startswith(b"%PDF")
    context.close()
