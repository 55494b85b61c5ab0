"""HTTP requests and responses as values, and the rules for their headers."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import urlsplit

import msgspec
from multidict import CIMultiDict, istr

REPLICATES_DOMAINS = ("replicate.com", "replicate.net")
"""Replicate's hosts are at or under these domains."""

PREFER, CANCEL_AFTER = istr("Prefer"), istr("Cancel-After")

SHORTEST_CANCEL_AFTER = 5
"""Seconds; Replicate refuses less."""

LONGEST_HOLD = 60
"""Seconds for which Replicate holds a creation open at most."""


class Request(msgspec.Struct, frozen=True):
    """A request that is ready to be sent. `headers` has each name once, whatever its case."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None = None


class Response(msgspec.Struct, frozen=True):
    """An answer, read to its end at the time `ended` (on our clock). `headers` is looked up without regard to case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    ended: float = 0.0


def merged(headers: Mapping[str, str], over: Mapping[str, str]) -> CIMultiDict[str]:
    """The first headers but for those that the second have under the same name, whatever its case."""
    both = CIMultiDict(headers)
    both.update(over)
    return both


def origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port: two URLs that share them belong to one server."""
    parts = urlsplit(url)
    default_port = {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname or "", parts.port or default_port


def origin_if_any(url: str) -> tuple[str, str, int | None]:
    """The origin of a text that may be no URL: it then has neither a scheme nor a host."""
    try:
        return origin(url)
    except ValueError:  # the port is not a number, or the address has half of its brackets
        return "", "", None


def is_http(url: str) -> bool:
    """Whether a text is the whole URL of something that HTTP reaches."""
    scheme, host, _ = origin_if_any(url)
    return scheme in ("http", "https") and host != ""


def is_replicates(url: str) -> bool:
    """Whether a URL is on one of Replicate's own hosts, over https."""
    scheme, host, _ = origin_if_any(url)
    return scheme == "https" and any(host == d or host.endswith("." + d) for d in REPLICATES_DOMAINS)


@lru_cache(maxsize=256)
def prefer_wait(seconds: float) -> str:
    """The `Prefer` header that holds a creation open, for a second at least."""
    return f"wait={max(1, min(LONGEST_HOLD, int(seconds)))}"
