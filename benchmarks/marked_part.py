"""The part of a page that a program writes: it stands between marks and is replaced as a whole."""

from __future__ import annotations

import re
from collections.abc import Sequence


def replaced(page: str, mark: str, lines: Sequence[str]) -> str:
    """The page with lines between `<!-- mark -->` and `<!-- /mark -->`.

    Raises SystemExit where these do not stand there exactly once.
    """
    block = "\n".join((f"<!-- {mark} -->", *lines, f"<!-- /{mark} -->"))
    found, count = re.subn(
        f"<!-- {mark} -->.*?<!-- /{mark} -->", lambda _: block, page, flags=re.DOTALL
    )
    if count != 1:
        title = page.splitlines()[0] if page else "an empty page"
        raise SystemExit(f"{title}: expected <!-- {mark} --> ... once, found it {count} times")
    return found
