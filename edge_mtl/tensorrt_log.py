"""What TensorRT says: kept, cleaned of its sources' names, and told as one line.

Builder, parser and runtime say why something failed to a logger only. A process has one: TensorRT
ignores every further one as long as anything made with the first is alive.
"""

from __future__ import annotations

import logging
import re
from functools import cache
from typing import Any

_log = logging.getLogger(__name__)

# "IBuilder::build: Error Code 4: API Usage Error (what happened. In validate at /_src/a.cpp:4)"
_FRAME = re.compile(r"^[\w.:\[\]\s]*?Error Code \d+:\s*(?P<what>.*)$", re.S)
_PLACE = re.compile(r"\s*\.?\s*In (?:operator\(\)|\w+) at /\S+\.\w+:\d+\)?")
# Every real error drags this behind it on a machine without a GPU.
_NO_DRIVER = ("catchCudaError", "CUDA driver version is insufficient")
_HINTS = (
    (
        "status == CUDA_SUCCESS",
        "this needs a GPU and its driver: build it on the device",
    ),
    (
        "sm_vers_.size() == 1",
        "this needs a GPU and its driver: build it on the device",
    ),
    (
        "libnvinfer_lean",
        "version-compatible engines need TensorRT's lean runtime: install tensorrt-lean, or leave "
        "version_compatible out",
    ),
)


class Messages:
    """The messages of one module since `clear`."""

    def __init__(self) -> None:
        self._errors: list[str] = []
        self.warnings: list[str] = []

    def clear(self) -> None:
        self._errors, self.warnings = [], []

    def error(self, message: str) -> None:
        self._errors.append(message)

    def reason(self) -> str:
        """The first error, which is the cause; those that follow are of its wake."""
        real = [each for each in self._errors if not any(noise in each for noise in _NO_DRIVER)]
        chosen = (real or self._errors or ["no reason given"])[0]
        for sign, hint in _HINTS:
            if sign in chosen:
                return f"{plain(chosen)}; {hint}"
        return plain(chosen)


def plain(message: str) -> str:
    """A message of TensorRT on one line, without where in its sources it was raised."""
    text = " ".join(message.split())
    framed = _FRAME.match(text)
    text = _PLACE.sub("", framed["what"] if framed else text).strip()
    return text + ")" * max(0, text.count("(") - text.count(")"))


@cache
def logger_of(trt: Any) -> tuple[Any, Messages]:
    """The one logger of a module (`tensorrt` or `tensorrt_rtx`), and what it was told.

    `--debug` shows warnings and errors as they come.
    """
    messages = Messages()

    class Logger(trt.ILogger):  # type: ignore[misc]
        def log(self, severity: Any, message: str) -> None:
            if severity in (trt.ILogger.ERROR, trt.ILogger.INTERNAL_ERROR):
                messages.error(message)
            elif severity == trt.ILogger.WARNING:
                messages.warnings.append(message)
            else:
                return
            _log.debug("%s: %s", trt.__name__, " ".join(message.split()))

    return Logger(), messages
