"""Reads addresses: a web page's origin, a URL's scheme and host, whether a host is this machine."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

_ORIGIN = re.compile(r"[A-Za-z][\w+.-]*://[^\s/?#@*]+/?", re.ASCII)


def origin_of(text: str) -> str:
    """The origin of a page as browsers send it, or `*`; raises a `ValueError` if they never send such a thing."""
    if text == "*":
        return text
    if not _ORIGIN.fullmatch(text.strip()):
        raise ValueError(
            f"{text!r} must be the beginning of a page's address, such as https://chat.example.com, or * for all pages."
        )
    return beginning_of(text.strip().rstrip("/"))


def beginning_of(url: str) -> str:
    """A URL's scheme and host, with the port if it is not the usual one."""
    parts = urlsplit(url.lower())
    usual = {"https": 443, "http": 80}.get(parts.scheme)
    host = parts.netloc.rpartition("@")[2].removesuffix(f":{usual}")
    return f"{parts.scheme}://{host}"


def is_loopback(host: str | None) -> bool:
    """Whether a name or an address is this machine's own."""
    if host is None:
        return False
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
