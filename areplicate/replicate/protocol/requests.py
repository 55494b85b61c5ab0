"""HTTP requests and responses as values, and the rules for their headers."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import urlsplit

import msgspec
from multidict import istr

REPLICATES_DOMAINS = ("replicate.com", "replicate.net")
"""Replicate's hosts are at or under these domains."""

PREFER, CANCEL_AFTER = istr("Prefer"), istr("Cancel-After")
OWN_HEADERS = {
    name.lower(): istr(name)
    for name in (
        *("Authorization", "User-Agent", "Content-Type", PREFER, CANCEL_AFTER),
        *("Accept", "Cache-Control", "Last-Event-ID"),
    )
}
"""The headers that areplicate sends, as it spells them, by their names in small letters. As `istr` they need not be
lowered again for each request."""

SHORTEST_CANCEL_AFTER = 5
"""Seconds; Replicate refuses less."""


class Request(msgspec.Struct, frozen=True):
    """A request that is ready to be sent."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None = None


class Response(msgspec.Struct, frozen=True):
    """An answer, read to its end. `headers` is looked up without regard to case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def named(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers under the names that areplicate spells them by, so that none is sent twice."""
    return {OWN_HEADERS.get(name.lower(), name): value for name, value in headers.items()}


def origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port: two URLs that share them belong to one server."""
    parts = urlsplit(url)
    default_port = {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname or "", parts.port or default_port


def is_replicates(url: str) -> bool:
    """Whether a URL is on one of Replicate's own hosts, over https."""
    try:
        scheme, host, _ = origin(url)
    except ValueError:  # the port is not a number
        return False
    return scheme == "https" and any(host == d or host.endswith("." + d) for d in REPLICATES_DOMAINS)


@lru_cache(maxsize=256)
def prefer_wait(seconds: float) -> str:
    """The `Prefer` header that holds a creation open; Replicate takes 1 to 60 seconds."""
    return f"wait={max(1, min(60, int(seconds)))}"
