"""The defaults of options, and checks of their values."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Protocol, TypeAlias

from multidict import CIMultiDict

import areplicate

from ..chat.plain import shown
from ..errors import BadRequestError
from ..replicate.protocol.requests import merged

MAX_RETRIES = 8
"""Retries of one request, unless the caller says otherwise."""
TIMEOUT = 1800.0
"""Seconds for a whole completion. Replicate itself ends a prediction after 30 minutes of running."""

_LONGEST_TIMEOUT = 7 * 24 * 3600.0
MOST_CHOICES = 128
"""OpenAI's own bound for `n`."""
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NO_HEADER_VALUE = re.compile("[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")
_THE_CONNECTIONS_OWN = frozenset({"content-length", "transfer-encoding", "expect", "upgrade"})
"""Headers that say how a request is sent: with a wrong value, the server would wait for bytes that never come."""


class _ReadTimeout(Protocol):
    """What httpx's `Timeout` has."""

    @property
    def read(self) -> float | None: ...


class _TotalTimeout(Protocol):
    """What aiohttp's `ClientTimeout` has."""

    @property
    def total(self) -> float | None: ...


Seconds: TypeAlias = "float | timedelta | _ReadTimeout | _TotalTimeout"
"""What `checked_timeout` reads."""


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def timeout_and_retries(
    timeout: Seconds | None,
    routers_timeout: float | None,
    retries: int | None,
    routers_retries: int | None,
) -> tuple[float, int]:
    """Seconds for a completion and retries of a request: as set for the call, the router or the process, or
    by default."""
    if timeout is None:
        timeout = areplicate.request_timeout if routers_timeout is None else routers_timeout
    if retries is None:
        retries = areplicate.num_retries if routers_retries is None else routers_retries
    return (
        TIMEOUT if timeout is None else checked_timeout(timeout),
        MAX_RETRIES if retries is None else checked_whole("num_retries", retries, least=0),
    )


def wants_usage(stream_options: Mapping[str, Any] | None) -> bool:
    """Whether a stream ends with its usage."""
    return stream_options is not None and bool(stream_options.get("include_usage"))


def checked_headers(name: str, headers: Mapping[str, str] | None) -> CIMultiDict[str]:
    """Headers, of which none can be sent twice: their names are looked up without regard to case."""
    if not headers:
        return CIMultiDict()
    if not isinstance(headers, Mapping):
        # The value is not shown: it may be a secret.
        what = type(headers).__name__
        raise BadRequestError(
            f'{name} must be a mapping such as {{"X-Team": "search"}}, not {what}.', param=name
        )
    given = {header: value for header, value in headers.items() if value is not None}
    for header, value in given.items():
        if not isinstance(header, str) or not _HEADER_NAME.fullmatch(header):
            raise wrong(name, header, 'a mapping of HTTP header names such as "X-Team"')
        if header.lower() in _THE_CONNECTIONS_OWN:
            raise BadRequestError(f"{name}[{header!r}] cannot be set: areplicate sets it itself.", param=name)
        if not isinstance(value, str) or _NO_HEADER_VALUE.search(value):
            raise BadRequestError(f"{name}[{header!r}] must be a string of one line.", param=name)
    return merged({}, {header: value.strip(" \t") for header, value in given.items()})


def checked_names(name: str, value: Sequence[str] | None) -> Sequence[str]:
    if value is None:
        return ()
    if not isinstance(value, (list, tuple)) or not all(isinstance(each, str) for each in value):
        raise wrong(name, value, "a list of names")
    return value


def checked_count(n: int | None) -> int:
    return 1 if n is None else checked_whole("n", n, least=1, most=MOST_CHOICES)


def checked_timeout(timeout: Any) -> float:
    """Seconds; also of a timedelta, of aiohttp's `ClientTimeout`, and of httpx's `Timeout`, whose `read` is what an
    answer may take; theirs may have no limit."""
    if isinstance(timeout, timedelta):
        timeout = timeout.total_seconds()
    elif not is_number(timeout):
        theirs = [getattr(timeout, name, timeout) for name in ("total", "read")]
        timeout = next(filter(is_number, theirs), math.inf if None in theirs else timeout)
    if not is_number(timeout) or not timeout > 0:
        raise wrong("timeout", timeout, "a positive number of seconds")
    return float(min(timeout, _LONGEST_TIMEOUT))


def checked_whole(name: str, value: int, *, least: int, most: int | None = None) -> int:
    fits = isinstance(value, int) and not isinstance(value, bool) and least <= value <= (most or value)
    if not fits:
        bounds = f", at least {least}" if most is None else f" from {least} to {most}"
        raise wrong(name, value, f"a whole number{bounds}")
    return int(value)


def checked_rate(name: str, value: float) -> float:
    """A positive number, which may be infinite."""
    if not is_number(value) or not value > 0:
        raise wrong(name, value, "a positive number")
    return float(value) if value <= sys.float_info.max else math.inf


def wrong(name: str, value: Any, wanted: str) -> BadRequestError:
    return BadRequestError(f"{name} must be {wanted}, not {shown(value)}.", param=name)
