"""What a call may be told, and what it is taken to mean: keys, bases, bounds."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping

from .errors import AuthenticationError, BadRequestError
from .replicate.protocol.requests import origin
from .replicate.transports.base import Transport

API_BASE = "https://api.replicate.com/v1"
TIMEOUT = 1800.0
"""Seconds for a whole completion. Replicate itself ends a prediction after 30 minutes of running."""

_MOST_CHOICES = 128
"""OpenAI's own bound for `n`."""


def chosen_key(given: str | None) -> str:
    """The API token: as given, else from the environment."""
    key = given or from_environment("REPLICATE_API_KEY", "REPLICATE_API_TOKEN")
    if not key:
        raise AuthenticationError("There is no API key: set REPLICATE_API_KEY or pass api_key=.")
    return key


def chosen_base(given: str | None) -> str:
    """Where the API is: as given, else from the environment, else Replicate itself."""
    return given or from_environment("REPLICATE_API_BASE", "REPLICATE_BASE_URL") or API_BASE


def checked_headers(headers: Mapping[str, str] | None) -> Mapping[str, str]:
    if not headers:
        return {}
    given = {name: value for name, value in headers.items() if value is not None}
    for name, value in given.items():
        if not isinstance(value, str) or "\n" in value or "\r" in value:
            raise BadRequestError(f"extra_headers[{name!r}] is to be a string of one line.")
    return given


def default_transport(pool_size: int) -> Transport:
    from .replicate.transports.aiohttp import AiohttpTransport

    return AiohttpTransport(pool_size)


def default_pool_size() -> int:
    try:
        import resource
    except ModuleNotFoundError:  # not on Windows
        return 256
    return max(16, min(1024, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2))


def from_environment(*names: str) -> str | None:
    return next((value for name in names if (value := os.environ.get(name))), None)


def checked_base(base: str) -> str:
    """The base without a slash at its end."""
    if not base.startswith(("https://", "http://")):
        raise BadRequestError(f"api_base is to begin with https:// or http://, not {base[:50]!r}.")
    try:
        origin(base)
    except ValueError as error:
        raise BadRequestError(f"api_base {base[:50]!r} is no URL: {error}.") from None
    return base.rstrip("/")


def checked_count(n: int | None) -> int:
    if n is None:
        return 1
    if isinstance(n, bool) or not isinstance(n, int) or not 1 <= n <= _MOST_CHOICES:
        raise BadRequestError(f"n is to be a whole number from 1 to {_MOST_CHOICES}, not {n!r}.")
    return n


def checked_timeout(timeout: float) -> float:
    if (
        isinstance(timeout, bool)
        or not isinstance(timeout, (int, float))
        or math.isnan(timeout)
        or timeout <= 0
    ):
        raise BadRequestError(f"timeout is to be a number of seconds above 0, not {timeout!r}.")
    return min(float(timeout), 7 * 24 * 3600.0)
