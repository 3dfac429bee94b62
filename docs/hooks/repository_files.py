"""Files of the repository on the site: pages that lie outside docs/, and what pages link to.

A page is written for the repository, where `../LICENSE` leads somewhere. On the site such a file is
a page of its own, and the link leads there.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
DOCS = "docs"
PAGES = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "README.md": "overview.md",
    **{
        card.relative_to(ROOT).as_posix(): f"models/{card.name}"
        for card in sorted((ROOT / "edge_mtl" / "zoo").glob("*.md"))
    },
}
"""By its place in the repository, where a page from outside docs/ stands on the site."""

_FENCE = re.compile(r"^(```.*?^```)", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<=\]\()[^()\s]+(?=\))")
_UNSEARCHED = "---\nsearch:\n  exclude: true\n---\n"  # or the changelog is what one finds


def place_on_site(name: str) -> str:
    """Where a file of the repository stands on the site; a text that is no page of its own is
    shown below files/."""
    if name in PAGES:
        return PAGES[name]
    if name.startswith(f"{DOCS}/"):
        return name.removeprefix(f"{DOCS}/")
    return f"files/{name}.md"


def relative_links(markdown: str, source: str) -> Iterator[tuple[str, str]]:
    """Every relative link of a page, as it is written and as the file of the repository that it
    leads to. source: the page's own place in the repository."""
    for text in _FENCE.split(markdown)[::2]:
        for link in _LINK.findall(text):
            address = urlsplit(link)
            if address.path and not address.scheme and not address.netloc:
                yield link, posixpath.normpath(posixpath.join(source, "..", address.path))


def linked(markdown: str, source: str, place: str) -> str:
    """The page with its links as they are on the site, where it stands at `place`."""
    new = {}
    for link, name in relative_links(markdown, source):
        if (ROOT / name).is_file():
            path = posixpath.relpath(place_on_site(name), posixpath.dirname(place) or ".")
            new[link] = urlsplit(link)._replace(path=path).geturl()
    parts = _FENCE.split(markdown)
    parts[::2] = [_LINK.sub(lambda link: new.get(link[0], link[0]), text) for text in parts[::2]]
    return "".join(parts)


def _source(place: str) -> str:
    places = {there: name for name, there in PAGES.items()}
    return places.get(place, f"{DOCS}/{place}")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of `PAGES` and the files that any page links to."""
    for name, place in PAGES.items():
        text = (ROOT / name).read_text(encoding="utf-8")
        before = _UNSEARCHED if name == "CHANGELOG.md" else ""
        files.append(File.generated(config, place, content=before + text))
    for page in files.documentation_pages():
        for _, name in relative_links(page.content_string, _source(page.src_uri)):
            place = place_on_site(name)
            if place in files.src_uris or not (ROOT / name).is_file():
                continue
            text = (ROOT / name).read_text(encoding="utf-8")
            kind = PurePosixPath(name).suffix.lstrip(".")
            content = f"{_UNSEARCHED}# {name}\n\n````{kind}\n{text}````\n"
            shown = InclusionLevel.NOT_IN_NAV
            files.append(File.generated(config, place, content=content, inclusion=shown))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let links lead where their files stand on the site."""
    return linked(markdown, _source(page.file.src_uri), page.file.src_uri)
