"""The text that names a source: an address and, behind a `#`, options; and what of it is secret."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TypeVar

from edge_mtl.config import overrides_into
from edge_mtl.errors import UsageError

T = TypeVar("T")

# Everything up to the last @, for a password may hold an @ or a / that should have been escaped.
_USER = re.compile(r"(?<=://)[^\s\"']*@")
_SECRET = re.compile(
    r"([?&;\s,][\w-]*(?:pass|pwd|user-pw|token|secret|key|auth|credential)[\w-]*=)"
    r"(\"[^\"]*\"|'[^']*'|[^&#;,\s\"']+)",
    re.IGNORECASE,
)


def masked(text: str) -> str:
    """`text` with user names, passwords and tokens of addresses replaced by ***."""
    return _SECRET.sub(r"\1***", _USER.sub("***@", text))


def mask_in(message: str, text: str) -> str:
    """A message of a library about the address `text`, without what `masked` hides of it."""
    secrets = [match[0].rstrip("@") for match in _USER.finditer(text)]
    secrets += [part for secret in secrets for part in secret.split(":", 1)[1:]]
    secrets += [match[2].strip("\"'") for match in _SECRET.finditer(text)]
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        message = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", "***", message)
    return masked(message)


def split_options(text: str) -> tuple[str, str]:
    """The address and the options of what `--source` names, as in "0#width=1280,height=720".

    A fragment, so that the query of an address stays the server's; a file whose name has a # is
    an address as it is.

    Raises:
        UsageError: what follows the # is not key=value with commas between.
    """
    if "#" not in text or Path(text).exists():
        return text, ""
    address, _, options = text.rpartition("#")
    if re.fullmatch(r"(\w+=[^,=]*)(,\w+=[^,=]*)*", options) is None:
        # The rest is not repeated: it may be the half of a password.
        raise UsageError(
            f"{re.split('[:#]', text)[0]}: expected key=value with commas between behind the #, as "
            "in 0#width=1280,height=720; a # of the address itself is written %23"
        )
    return address, options


def parse_options(options: str, into: type[T], address: str) -> T:
    """A struct of what `split_options` found.

    Raises:
        UsageError: an option is unknown (the nearest known one is named) or has a wrong value.
    """
    return overrides_into(into, filter(None, options.split(",")), masked(address))


def refuse_options(options: str, address: str) -> None:
    """For a source that has none.

    Raises:
        UsageError: there are some.
    """
    if options:
        raise UsageError(
            f"{address}: expected no options, found {options!r}: a file has none, --rate paces it"
        )
