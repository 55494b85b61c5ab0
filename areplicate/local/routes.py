"""From a method and a path to the handler of Replicate's API that answers it."""

from __future__ import annotations

from aiohttp import web

from . import catalog, discovery, files, prediction_routes
from .calls import Route, RouteCall
from .refusals import method_not_allowed, not_found
from .service import Service

_TABLE: dict[tuple[str, int], list[tuple[list[str], Route]]] = {}
"""The routes by method and number of segments, which leaves but a few patterns to compare."""
for _module in (catalog, discovery, files, prediction_routes):
    for _route in [value for value in vars(_module).values() if isinstance(value, Route)]:
        for _spelled in _route.paths:
            _method, _path = _spelled.split(" ")
            _pattern = f"/v1{_path}".split("/")
            _TABLE.setdefault((_method, len(_pattern)), []).append((_pattern, _route))


async def _refuse(service: Service, call: RouteCall) -> web.StreamResponse:
    seen = call.seen
    elsewhere = any(
        find_route(method, seen.path)[0] is not _UNKNOWN for method in ("GET", "POST", "DELETE", "QUERY")
    )
    raise method_not_allowed(seen.method) if elsewhere else not_found()


_UNKNOWN = Route(_refuse, (), "unknown", "other", open=False)


def find_route(method: str, path: str) -> tuple[Route, list[str]]:
    """The route, and what stands in the places of its stars; a route that refuses if there is none."""
    parts = path.split("/")
    for pattern, route in _TABLE.get((method, len(parts)), ()):
        names = []
        for expected, part in zip(pattern, parts, strict=True):
            if expected == "*":
                names.append(part)
            elif expected != part:
                break
        else:
            return route, names
    return _UNKNOWN, []
