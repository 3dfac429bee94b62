"""The log on standard error: lines for people, or a JSON object a line for machines."""

from __future__ import annotations

import json
import logging
import sys
import threading
from contextlib import suppress
from datetime import datetime, timezone
from types import TracebackType

_log = logging.getLogger("edge_mtl")

_OF_EVERY_RECORD = {
    *vars(logging.LogRecord("", 0, "", 0, "", (), None)),
    *("asctime", "message", "taskName"),
}


class LineFormatter(logging.Formatter):
    """`edge-mtl: warning: MESSAGE`, without a level where it is information."""

    def format(self, record: logging.LogRecord) -> str:
        level = "" if record.levelno <= logging.INFO else f"{record.levelname.lower()}: "
        text = f"edge-mtl: {level}{record.getMessage()}"
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


class JsonFormatter(logging.Formatter):
    """`time`, `level`, `logger`, `message`, what the call gave as `extra`, and `exception`.

    `time` is ISO 8601 in UTC. `exception` is the traceback, where there is one.
    """

    def format(self, record: logging.LogRecord) -> str:
        when = datetime.fromtimestamp(record.created, timezone.utc)
        line: dict[str, object] = {
            "time": when.isoformat(timespec="microseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {
            name: each
            for name, each in vars(record).items()
            # Libraries that log in this process mark records of others for themselves.
            if name not in _OF_EVERY_RECORD and not name.startswith("_")
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class StderrHandler(logging.Handler):
    """Writes to what `sys.stderr` is at the time: a progress bar puts itself in between."""

    def emit(self, record: logging.LogRecord) -> None:
        line = self.format(record)
        with suppress(OSError):  # who read the log has left, or the disk is full
            print(line, file=sys.stderr, flush=True)


def begin(as_json: bool, debug: bool) -> None:
    """Write the log of edge-mtl, and warnings and errors of its libraries, to standard error.

    As JSON, warnings of Python and exceptions that nobody caught become lines too.

    debug: also what is only of use for finding a mistake.
    """
    handler = StderrHandler()
    handler.setFormatter(JsonFormatter() if as_json else LineFormatter())
    root = logging.getLogger()
    root.handlers = [each for each in root.handlers if not isinstance(each, StderrHandler)]
    root.addHandler(handler)
    _log.setLevel(logging.DEBUG if debug else logging.INFO)
    if as_json:
        logging.captureWarnings(True)
        sys.excepthook = _log_uncaught
        threading.excepthook = _log_uncaught_of_thread


def as_json() -> bool:
    """Whether standard error holds JSON lines, among which nothing else may be written."""
    return any(isinstance(each.formatter, JsonFormatter) for each in logging.getLogger().handlers)


def _log_uncaught(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    _log.critical("%s: %s", kind.__name__, error, exc_info=(kind, error, trace))


def _log_uncaught_of_thread(arguments: threading.ExceptHookArgs) -> None:
    error = arguments.exc_value
    if error is not None:
        _log_uncaught(arguments.exc_type, error, arguments.exc_traceback)
