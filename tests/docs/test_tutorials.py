"""What the quick start and the tutorials tell a reader to type works, in order, in an empty folder.

In their sources, which a reader of the site does not see:

    <!-- slow -->                 the block below takes long: `make test-all` runs it
    <!-- not run: WHY -->         nor does anything here: it needs a board, or a camera
    <!-- meanwhile -->            it goes on in a second terminal until the page ends
    <!-- varies -->               the output below is another on every machine
    <!-- check: COMMAND -->       and then this is true, in a shell

A block with a title is a file of that name. Others run: `sh` in a shell, `python` as a program. A
block of `text` behind one of them is what it prints on standard output, to the letter.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "docs" / "index.md", *sorted((ROOT / "docs" / "tutorials").glob("*.md"))]
MARKS = {"", "slow", "not run", "meanwhile", "varies"}
TIMEOUT_S = 900


class Block(NamedTuple):
    """A fenced block. kind: its language, or "check". title: of a file. mark: what its comment
    says of it."""

    kind: str
    title: str
    mark: str
    text: str


def blocks_of(page: str) -> Iterator[Block]:
    """The blocks of a page, from top to bottom."""
    pattern = re.compile(
        r"^<!-- check: (?P<check>[^\n]*) -->$"
        r"|(?:^<!-- (?P<mark>[a-z ]+)(?:: [^\n]*)? -->\n)?"
        r'^```(?P<kind>\w*)(?: title="(?P<title>[^"]+)")?\n(?P<text>.*?)^```$',
        re.MULTILINE | re.DOTALL,
    )
    for found in pattern.finditer(page):
        if found["check"]:
            yield Block("check", "", "", found["check"])
        else:
            mark, title = found["mark"] or "", found["title"] or ""
            assert mark in MARKS, f"expected one of {MARKS}, found <!-- {mark} -->"
            yield Block(found["kind"], title, mark, found["text"])


def arguments(block: Block) -> list[str]:
    if block.kind == "python":
        return [sys.executable, "-c", block.text]
    return ["bash", "-euo", "pipefail", "-c", block.text]


class Reader:
    """Somebody who does what a page says, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        found = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        self._environment = {**os.environ, "PATH": found, "COLUMNS": "100"}
        self._meanwhile: list[subprocess.Popen[bytes]] = []

    def follow(self, page: str, slow: bool) -> int:
        """Do it, and what is slow only where that is wanted; how many blocks ran."""
        ran, printed = 0, None
        for block in blocks_of(page):
            if block.mark == "not run" or (block.mark == "slow" and not slow):
                printed = None
            elif block.title:
                path = self._folder / block.title
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(block.text, encoding="utf-8")
            elif block.mark == "meanwhile":
                self._begin(block)
            elif block.kind in ("sh", "python", "check"):
                printed, ran = self._run(block), ran + 1
            elif block.kind == "text" and block.mark != "varies" and printed is not None:
                assert block.text == printed, "the page shows another output than there is"
        return ran

    def _run(self, block: Block) -> str:
        done = subprocess.run(
            arguments(block),
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
        )
        told = f"{block.text}\n{done.stdout}\n{done.stderr}"
        assert done.returncode == 0, told
        return re.sub(r" +$", "", done.stdout, flags=re.MULTILINE)

    def _begin(self, block: Block) -> None:
        self._meanwhile.append(
            subprocess.Popen(
                arguments(block),
                cwd=self._folder,
                env=self._environment,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        )

    def end(self) -> None:
        for process in self._meanwhile:
            os.killpg(process.pid, signal.SIGINT)
            process.wait(timeout=60)


@contextmanager
def reader(folder: Path) -> Iterator[Reader]:
    one = Reader(folder)
    try:
        yield one
    finally:
        one.end()


@pytest.fixture(autouse=True)
def _needed() -> None:
    for module, extra in (("cv2", "cpu"), ("onnxruntime", "cpu"), ("torch", "train")):
        pytest.importorskip(module, reason=f"{module}, of the extra {extra}, is not installed")


def named(page: Path) -> str:
    return page.relative_to(ROOT / "docs").with_suffix("").as_posix()


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_a_page_can_be_followed(page: Path, tmp_path: Path) -> None:
    with reader(tmp_path) as one:
        one.follow(page.read_text(encoding="utf-8"), slow=False)


LONG = [
    page
    for page in PAGES
    if any(block.mark == "slow" for block in blocks_of(page.read_text(encoding="utf-8")))
]


@pytest.mark.slow
@pytest.mark.parametrize("page", LONG, ids=named)
def test_a_page_can_be_followed_to_its_end(page: Path, tmp_path: Path) -> None:
    with reader(tmp_path) as one:
        one.follow(page.read_text(encoding="utf-8"), slow=True)


PAGE = """
```toml title="a/b.toml"
x = 1
```
<!-- not run: it needs a board -->
```sh
exit 1
```
<!-- slow -->
```sh
touch slow
```
```sh
cat a/b.toml; echo 'to a log' >&2
```
```text
x = 1
```
<!-- check: [ ! -e slow ] -->
```python
import random; print(random.random())
```
<!-- varies -->
```text
0.25
```
"""


def test_blocks_run_in_order_and_outputs_are_compared(tmp_path: Path) -> None:
    with reader(tmp_path) as one:
        assert one.follow(PAGE, slow=False) == 3
        with pytest.raises(AssertionError, match="another output"):
            one.follow(PAGE.replace("```text\nx = 1", "```text\nx = 2"), slow=False)
        with pytest.raises(AssertionError, match=r"\[ ! -e slow \]"):
            one.follow(PAGE, slow=True)
        with pytest.raises(AssertionError, match="exit 1"):
            one.follow(PAGE.replace("<!-- not run: it needs a board -->\n", ""), slow=False)
        with pytest.raises(AssertionError, match="expected one of"):
            one.follow(PAGE.replace("<!-- slow", "<!-- slo"), slow=False)


def test_what_goes_on_meanwhile_ends_with_the_page(tmp_path: Path) -> None:
    page = "<!-- meanwhile -->\n```sh\nexec sleep 600\n```\n```sh\ntrue\n```\n"
    with reader(tmp_path) as one:
        assert one.follow(page, slow=False) == 1
        [process] = one._meanwhile
        assert process.poll() is None
    assert process.poll() is not None
