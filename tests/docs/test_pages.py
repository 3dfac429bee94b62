"""What a strict build does not see: links as the repository has them, and pages outside docs/."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

yaml = pytest.importorskip("yaml", reason="pyyaml, of the extra train, is not installed")

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
OUTSIDE = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
PAGES = [*sorted(DOCS.rglob("*.md")), *OUTSIDE, *sorted((ROOT / "edge_mtl/zoo").glob("*.md"))]


def named(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def plain(page: Path) -> str:
    """A page without its code."""
    text = page.read_text(encoding="utf-8")
    text = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"`[^`\n]*`", "", text)


def anchors(page: Path) -> set[str]:
    """What its headings are called in links, where a page is shown from the repository."""
    text = page.read_text(encoding="utf-8")
    text = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each).strip().lower().replace(" ", "-") for each in headings}


def broken(page: Path) -> Iterator[str]:
    for link in re.findall(r"\]\(([^()\s]+)\)", plain(page)):
        address = urlsplit(link)
        if address.scheme:
            continue
        target = (page.parent / address.path).resolve() if address.path else page
        if not target.exists():
            yield f"{link}: there is no such file"
        elif address.fragment and address.fragment not in anchors(target):
            yield f"{link}: no heading is called so"


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere_in_the_repository_too(page: Path) -> None:
    assert list(broken(page)) == []


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    page = tmp_path / "a.md"
    page.write_text("# A b: c\n[x](#a-b-c) [x](a.md) [x](b.md) [x](#b)\n```\n# d\n```\n[y](#d)\n")
    assert [each.partition(":")[0] for each in broken(page)] == ["b.md", "#b", "#d"]


def places(nav: Any) -> Iterator[str]:
    if isinstance(nav, str):
        yield nav
    else:
        for each in nav.values() if isinstance(nav, dict) else nav:
            yield from places(each)


def test_every_page_is_in_the_navigation_once() -> None:
    nav = list(places(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]))
    assert len(nav) == len(set(nav))
    outside = {"changelog.md", "contributing.md", "overview.md", "models/driving-s.md"}
    assert set(nav) - outside == {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")}
    assert outside <= set(nav)


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_a_page_loads_nothing_from_elsewhere(page: Path) -> None:
    """Pictures of other hosts, and diagrams, which the theme would fetch a program for."""
    text = page.read_text(encoding="utf-8")
    assert (
        re.findall(r"!\[[^\]]*\]\(https?:|<(?:img|script|iframe)\b|^```mermaid", text, re.M) == []
    )
