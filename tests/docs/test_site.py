"""The site as a browser has it: everything from one host, a search that finds, no page too wide."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Nobody reads it."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address and the folder of the site, built strictly."""
    pytest.importorskip("mkdocs", reason="mkdocs, of the extra docs, is not installed")
    folder = tmp_path_factory.mktemp("site")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(build, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", folder
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("width", [1360, 390])
def test_pages_come_from_one_host_and_fit(site: tuple[str, Path], browser: Any, width: int) -> None:
    address, folder = site
    page = browser.new_page(viewport={"width": width, "height": 844})
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(f"{page.url}: {message.text}"))
    page.on("pageerror", lambda error: said.append(f"{page.url}: {error}"))
    paths = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.html"))
    assert len(paths) > 40
    cut = "all => all.filter(each => each.scrollWidth > each.clientWidth).length"
    tables, cut_off = 0, []
    for path in paths:
        page.goto(f"{address}/{path}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        found = page.locator(".md-typeset__scrollwrap")
        tables += found.count()
        if found.evaluate_all(cut):
            cut_off.append(path)
    page.close()
    assert tables > 50
    if width > 1000:  # tables of a phone scroll
        assert cut_off == []
    elsewhere = [url for url in asked if not url.startswith((address, "data:", "blob:"))]
    assert elsewhere == []
    assert said == []


def test_the_search_finds_an_option(site: tuple[str, Path], browser: Any) -> None:
    page = browser.new_page()
    page.goto(f"{site[0]}/index.html")
    page.get_by_label("Search", exact=True).first.click()
    page.keyboard.type("batch-wait-ms")
    page.locator(".md-search-result__item a").first.wait_for()
    found = page.locator(".md-search-result__item a").evaluate_all("all => all.map(a => a.href)")
    assert any("command-line.html" in link or "cameras.html" in link for link in found)
    page.close()


def test_light_and_dark_can_be_chosen(site: tuple[str, Path], browser: Any) -> None:
    page = browser.new_page(color_scheme="dark")
    page.goto(f"{site[0]}/index.html")
    scheme = "document.body.getAttribute('data-md-color-scheme')"
    seen = {page.evaluate(scheme)}
    for _ in range(2):
        page.locator("form[data-md-component=palette] label:visible").click()
        seen.add(page.evaluate(scheme))
    assert seen == {"default", "slate"}
    page.close()
