"""HTTP requests and responses as values, and the rules for their headers."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import urlsplit

TRUSTED_DOMAINS = ("replicate.com", "replicate.net")
"""Hosts at or under these domains may see the API token, over https."""

SHORTEST_CANCEL_AFTER = 5
"""Seconds; Replicate refuses less."""


class Request(NamedTuple):
    """A request that is ready to be sent."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None = None


class Response(NamedTuple):
    """An answer, read to its end. `headers` is looked up without regard to case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port: what two URLs share when they belong to one server."""
    parts = urlsplit(url)
    default_port = {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname or "", parts.port or default_port


def may_see_token(url: str, api_base: str, trusted_hosts: tuple[str, ...] = ()) -> bool:
    """Whether the API token may be sent to `url`.

    A prediction names the URLs where it is watched and streamed, often on other hosts. The token
    goes to the API's own origin, to Replicate's domains over https, and to hosts that the user
    named, never to whatever host an answer mentions.
    """
    try:
        scheme, host, _ = here = origin(url)
    except ValueError:  # a port that is no number
        return False
    if here == origin(api_base) or host in trusted_hosts:
        return True
    return scheme == "https" and any(host == d or host.endswith("." + d) for d in TRUSTED_DOMAINS)


@lru_cache(maxsize=256)
def prefer_wait(seconds: float) -> str:
    """The `Prefer` header that holds a creation open; Replicate takes 1 to 60 seconds."""
    return f"wait={max(1, min(60, int(seconds)))}"


@lru_cache(maxsize=256)
def cancel_after(seconds: float) -> str:
    """The `Cancel-After` header: whole seconds, not less than Replicate takes."""
    return f"{max(SHORTEST_CANCEL_AFTER, int(seconds + 0.999))}s"
