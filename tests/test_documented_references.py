"""Issues and pull requests that the documents cite go where they say."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = sorted((*ROOT.glob("docs/**/*.md"), ROOT / "README.md"))
CITED = re.compile(r"\[([^\]]*)\]\(https://github\.com/([\w.-]+/[\w.-]+)/(?:issues|pull)/(\d+)\)")


def astray(text: str) -> list[str]:
    """Links whose text is not owner/repository#number of where they go; #number alone will do
    behind one of the same repository in the same paragraph."""
    found = []
    for paragraph in text.split("\n"):
        named = ""
        for label, repository, number in CITED.findall(paragraph):
            if label == f"{repository}#{number}":
                named = repository
            elif label != f"#{number}" or named != repository:
                found.append(f"[{label}] to {repository} {number}")
    return found


def test_citations_go_where_they_say() -> None:
    wrong = {page.name: astray(page.read_text(encoding="utf-8")) for page in PAGES}
    assert {page: links for page, links in wrong.items() if links} == {}
    assert sum(len(CITED.findall(page.read_text(encoding="utf-8"))) for page in PAGES) > 50


def test_a_citation_that_goes_astray_is_found() -> None:
    to_1 = "(https://github.com/a/b/issues/1)"
    assert astray(f"[a/b#1]{to_1}, [#1]{to_1}") == []
    for wrong in (f"[a/b#2]{to_1}", f"[b#1]{to_1}", f"[#1]{to_1}", f"[a/b#1]{to_1}\n[#1]{to_1}"):
        assert astray(wrong) != []
