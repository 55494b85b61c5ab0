"""The gateway's log: one JSON object a line, or plain lines on a terminal. No keys, no prompts, no answers."""

from __future__ import annotations

import logging
import os
import sys
import time
import warnings
from contextvars import ContextVar
from functools import cache, lru_cache
from typing import Any

import msgspec

from ..errors import PredictionFailedError
from ..logs import verbose

logger = logging.getLogger("areplicate.gateway")
access_logger = logging.getLogger("areplicate.gateway.access")
"""One line a request, whatever else is written."""
MAX_LINES = 10
"""Lines that one request may write, its access line included: what is sent must not fill the disk."""

_lines: ContextVar[RequestLines | None] = ContextVar("lines", default=None)


class RequestLines(msgspec.Struct):
    """What a request writes beside its access line."""

    request_id: str
    left: float = MAX_LINES - 1
    """How many lines it may still write."""


def fields(**values: Any) -> dict[str, Any]:
    """The `extra` of a line with these further fields."""
    return {"fields": values}


def bound_lines(request_id: str) -> RequestLines:
    """Bounds what the current request may write, until `left` of what this gives is infinite."""
    lines = RequestLines(request_id)
    _lines.set(lines)
    return lines


def within_bounds(record: logging.LogRecord) -> bool:
    """A filter: whether the request that writes this record has lines left. The line then tells which one it is, and
    quotes no model."""
    if record.name == access_logger.name:
        return True
    if isinstance(record.args, tuple):
        record.args = tuple(map(_unquoted, record.args))
    if (lines := _lines.get()) is None:
        return True
    vars(record)["fields"] = {"request_id": lines.request_id, **_fields_of(record)}
    lines.left -= 1
    return lines.left >= 0


def _unquoted(value: Any) -> Any:
    """A model's error may repeat its prompt, and what is said of an answer that does not fit repeats that."""
    if isinstance(value, PredictionFailedError) and not verbose():
        return f"prediction {value.prediction_id} was of no use; why may quote it, and is logged with set_verbose only"
    return value


class AccessRecord(logging.LogRecord):
    """A request's line: what the formatters below show of a record, and nothing else.

    To find out the rest takes logging longer than to write the line.
    """

    def __init__(self, message: str, /, **fields: Any) -> None:
        self.name = access_logger.name
        self.levelno, self.levelname = logging.INFO, "INFO"
        self.created = time.time()
        self.msg, self.args = message, ()
        self.exc_info = None
        self.fields = fields


class JsonFormatter(logging.Formatter):
    """A record as a JSON object, with its `fields` as further keys."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": _time(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update(_fields_of(record))
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line, enc_hook=str).decode()


class TextFormatter(logging.Formatter):
    """A record as a line for people."""

    def format(self, record: logging.LogRecord) -> str:
        pairs = " ".join(f"{name}={value}" for name, value in _fields_of(record).items() if value is not None)
        line = f"{_time(record.created)[11:19]} {record.levelname.lower():7} {record.getMessage()} {pairs}"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line.rstrip()


@cache
def set_up(debug: bool) -> None:
    """Sends the package's log to stderr, once: a forked worker has it from its parent.

    The client's own log, which `debug` and `set_verbose` open, holds requests with their prompts.
    """
    _leave_out_what_no_line_shows()
    stream = sys.stderr or open(os.devnull, "w")  # noqa: SIM115 - for the whole process; it may begin without stderr
    handler = logging.StreamHandler(stream)
    handler.addFilter(within_bounds)
    handler.setFormatter(TextFormatter() if stream.isatty() else JsonFormatter())
    for name in ("areplicate", access_logger.name, "aiohttp.server", "asyncio"):
        logging.getLogger(name).addHandler(handler)
        logging.getLogger(name).propagate = False
    logging.getLogger("areplicate").setLevel(logging.INFO)
    logger.setLevel(logging.DEBUG if debug else logging.INFO)
    # It would write a traceback for any bytes that are not HTTP: anybody could fill the disk.
    logging.getLogger("aiohttp.server").setLevel(logging.DEBUG if debug else logging.CRITICAL)
    warnings.showwarning = log_warning


def log_warning(message: Warning | str, *_: object, **__: object) -> None:
    """A warning of Python's as one line: by itself it would be two, and no JSON."""
    logger.warning("%s", message)


def _leave_out_what_no_line_shows() -> None:
    """Turns off what logging collects for every line and no line shows: it is half of a line's cost.

    Source: "Optimization" in Python's logging how-to.
    """
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.logAsyncioTasks = False  # type: ignore[attr-defined,unused-ignore]


def _fields_of(record: logging.LogRecord) -> dict[str, Any]:
    given: dict[str, Any] = getattr(record, "fields", {})
    return given


def _time(seconds: float) -> str:
    """UTC, to the millisecond, as RFC 3339 has it."""
    return f"{_second(int(seconds))}.{int(seconds % 1 * 1000):03d}Z"


@lru_cache(maxsize=1)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
