"""Sensors and counters of the machine: small files of the kernel, and what cannot be read."""

from __future__ import annotations

from pathlib import Path

from edge_mtl.errors import EdgeMtlError


class SensorError(EdgeMtlError):
    """A sensor that this machine does not have, or that it does not let us read. The message is the
    reason, to stand where the figure would."""


def number(path: Path) -> int | None:
    """The whole number in a file of /sys or /proc; None where there is none to read."""
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def reading(path: Path, if_denied: str = "") -> int:
    """The whole number in a file that has one. if_denied: what to do where we may not read it.

    Raises:
        SensorError: it cannot be read now.
    """
    try:
        with path.open("rb", buffering=0) as file:  # quicker than read_text
            return int(file.read())
    except PermissionError:
        raise SensorError(f"{path}: only root may read it{if_denied}") from None
    except OSError as error:
        raise SensorError(f"{path}: {error.strerror}") from None
    except ValueError:
        raise SensorError(f"{path}: expected a number") from None


def words(path: Path) -> str:
    """The text of such a file; empty where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip("\0 \n")
    except OSError:
        return ""
