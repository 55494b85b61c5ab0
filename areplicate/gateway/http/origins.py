"""Decides which web pages may use the gateway.

A browser sends what any page asks for. Without a master key, nothing but this file stands between a page that
somebody visits and the account. Such a gateway answers its own machine alone, by a loopback name (a page's own
name may be made to point at 127.0.0.1), and takes JSON only, which no page may send without asking first. For a
form with a file, every browser says whose page sends it.

With a master key a page needs a key like everybody else; `cors_origins` says which may read the answers.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

from aiohttp import web

from ..addresses import is_loopback
from ..errors import GatewayError
from .exchange import JSON, NONE, Exchange

_EXPOSED = "*"
"""Headers of an answer that a page may read: all, since no page sends a cookie here."""
_METHODS = "GET, POST, DELETE"
_USUAL_HEADERS = "authorization, content-type, x-api-key, api-key, x-litellm-api-key"
_REMEMBER = "600"
"""Seconds for which a browser need not ask again."""


def check_browser(request: web.BaseRequest, origins: Collection[str], *, open: bool) -> None:
    """Refuses what a foreign page may have sent to a gateway that needs no key."""
    if not open:
        return
    host, origin = request.headers.get("Host"), request.headers.get("Origin")
    if host and not is_loopback(_name(host)):
        raise GatewayError(
            403,
            f"Without a master key the gateway answers to localhost and 127.0.0.1 only, not to {host[:100]!r}.",
            code="foreign_host",
        )
    if origin and not _allowed(origin, origins) and origin not in (f"http://{host}", f"https://{host}"):
        raise GatewayError(
            403,
            f"The page {origin[:100]!r} may not use this gateway: general_settings.cors_origins names those that may.",
            code="foreign_origin",
        )


def check_content_type(request: web.BaseRequest, *, open: bool, form: bool) -> None:
    """Refuses any type of body that a foreign page could send to a gateway that needs no key.

    A route that takes a `form` with a file is excepted: see above.
    """
    if not open or form or request.method != "POST" or not request.body_exists:
        return
    if request.content_type != JSON and not request.content_type.endswith("+json"):
        raise GatewayError(
            415,
            "Without a master key the gateway takes JSON only: send Content-Type: application/json.",
            code="not_json",
        )


def cors_headers(request: web.BaseRequest, origins: Collection[str]) -> Mapping[str, str]:
    """What lets a page that is allowed read the answer."""
    origin = request.headers.get("Origin")
    if not origin or not origins:
        return NONE
    if not _allowed(origin, origins):
        return {"Vary": "Origin"}
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Expose-Headers": _EXPOSED,
        "Vary": "Origin",
    }


def preflight(exchange: Exchange) -> web.Response | None:
    """The answer to a browser that asks whether a page may send a request; None for any other OPTIONS."""
    headers = exchange.request.headers
    if "Access-Control-Request-Method" not in headers:
        return None
    allowed = cors_headers(exchange.request, exchange.backend.config.general.cors_origins)
    if "Access-Control-Allow-Origin" in allowed:
        allowed = {
            **allowed,
            "Access-Control-Allow-Methods": _METHODS,
            "Access-Control-Allow-Headers": headers.get("Access-Control-Request-Headers", _USUAL_HEADERS),
            "Access-Control-Max-Age": _REMEMBER,
        }
    record = exchange.account.record
    record.status = 204
    return web.Response(status=204, headers={"x-request-id": record.request_id, **allowed})


def _name(host: str) -> str | None:
    """A Host header's name, without its port."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _allowed(origin: str, origins: Collection[str]) -> bool:
    return origin in origins or "*" in origins
