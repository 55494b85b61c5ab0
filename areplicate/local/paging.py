"""Answers lists a page at a time, with `next` and `previous`."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from .bodies import json_answer
from .calls import RouteCall
from .refusals import not_found

PAGE = 100


def page_of(call: RouteCall, items: Sequence[Any], size: int = PAGE) -> web.Response:
    """The page of `items` that the request's cursor asks for, the first one without a cursor."""
    start = position(call) or 0
    following = start + size if start + size < len(items) else None
    preceding = max(0, start - size) if start else None
    return page(call, items[start : start + size], following, preceding)


def page(
    call: RouteCall, results: Sequence[Any], following: int | None, preceding: int | None = None
) -> web.Response:
    """One page; `following` and `preceding` are the positions where its neighbours begin."""
    return json_answer({"next": _url(call, following), "previous": _url(call, preceding), "results": results})


def position(call: RouteCall) -> int | None:
    """Where the page begins that the request's cursor asks for; None without a cursor."""
    if (cursor := call.seen.query.get("cursor")) is None:
        return None
    try:
        return int(base64.urlsafe_b64decode(cursor).decode().removeprefix("p="))
    except (binascii.Error, ValueError):
        raise not_found() from None


def _url(call: RouteCall, start: int | None) -> str | None:
    """The list's own URL, its other parameters kept."""
    if start is None:
        return None
    cursor = base64.urlsafe_b64encode(f"p={start}".encode()).decode()
    return f"{call.origin}{call.seen.path}?{urlencode({**call.seen.query, 'cursor': cursor})}"
