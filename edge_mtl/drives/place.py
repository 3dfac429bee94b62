"""`Place`: a file or a folder, on this machine or in an object store, behind one address."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from pyarrow.fs import FileSystem, LocalFileSystem

from edge_mtl.errors import EdgeMtlError, UsageError
from edge_mtl.runtime.sources.address import mask_in, masked

_URI = re.compile(r"(?P<store>[a-z][a-z0-9+.-]+://[^/]*)/?(?P<key>.*?)(?P<query>\?\w+=[^?/]*)?")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file or a folder is.

    store: empty for this machine's files; else what `pyarrow.fs` opens, as "s3://drives" or
        "s3://KEY:SECRET@drives?region=eu-west-1". It may hold secrets: `name` does not.
    key: the path in the store, as it is written there; of this machine's files an absolute one.
    """

    store: str
    key: str

    @classmethod
    def parse(cls, text: str, beside: Place | None = None) -> Place:
        """The place that a user means.

        Args:
            text: a path, or an address such as s3://bucket/prefix?region=eu-west-1.
            beside: the folder that a relative path starts from; the working directory if None.
        """
        match = _URI.fullmatch(text)
        if match is None:
            if beside is None:
                return cls("", os.path.abspath(Path(text).expanduser()))  # noqa: PTH100 - as it is said, links stay
            if not text.startswith("/"):
                return beside / text.rstrip("/")
            return cls("", os.path.normpath(text))
        if match["store"] == "file://":
            return cls("", f"/{match['key']}".rstrip("/"))
        return cls(match["store"] + (match["query"] or ""), match["key"].strip("/"))

    def __truediv__(self, name: str) -> Place:
        """What lies in the folder under a name or a relative path."""
        key = f"{self.key}/{name}" if self.key else name
        return Place(self.store, key if self.store else os.path.normpath(key))

    @property
    def parent(self) -> Place:
        return Place(self.store, self.key.rpartition("/")[0])

    @property
    def is_local(self) -> bool:
        return not self.store

    @property
    def name(self) -> str:
        """The address without users, passwords and options: the same whoever asks for it."""
        if self.is_local:
            return self.key
        parts = urlsplit(self.store)
        user, _, host = parts.netloc.rpartition("@")
        # Azure has the container where others have a user, and a password only behind a colon.
        if parts.scheme.startswith("abfs") and user:
            host = f"{user.partition(':')[0]}@{host}"
        return f"{parts.scheme}://{host}/{self.key}".rstrip("/")

    @property
    def suffix(self) -> str:
        """As ".mp4", in lower case."""
        return PurePosixPath(self.key).suffix.lower()

    def open(self) -> tuple[FileSystem, str]:
        """The file system, and the path in it.

        Raises:
            UsageError: there is no such kind of store.
            EdgeMtlError: the store cannot be reached.
        """
        if self.is_local:
            return LocalFileSystem(), self.key
        system, base = _open_store(self.store)
        return system, f"{base.rstrip('/')}/{self.key}".rstrip("/")

    def refused(self, error: Exception) -> EdgeMtlError:
        """The error for what a file system says about this place, without its secrets."""
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = mask_in(lines[0], self.store) if lines else type(error).__name__
        return EdgeMtlError(f"{self.name}: {reason}")


@lru_cache(maxsize=64)
def _open_store(store: str) -> tuple[FileSystem, str]:
    """Kept: to find the region of a bucket is a question over the network."""
    try:
        system, base = FileSystem.from_uri(store)
    except ValueError:  # ArrowInvalid
        raise UsageError(
            f"{masked(store)}: expected a path or an address that pyarrow.fs opens (s3://, gs://, "
            "abfs://, hdfs://, file://); copy what is elsewhere to one of these"
        ) from None
    except OSError as error:
        raise Place(store, "").refused(error) from None
    return system, base
