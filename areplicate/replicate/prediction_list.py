"""Reading the account's list of predictions, once for everybody who wants it at the moment."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple
from urllib.parse import quote

import anyio

from ..errors import APIError
from .http import Http
from .protocol.decoding import decoded
from .protocol.predictions import ListedPrediction, decode_page
from .retry import RetryPolicy

_MARGIN = timedelta(seconds=1)
"""How far the clocks of Replicate's own machines may lie apart."""

_MOST_PAGES = 200
"""A sweep ends here at the latest: nobody has 20,000 predictions under way."""

_TIMESTAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)?")

Seen = Callable[[ListedPrediction], object]


class _Reader(NamedTuple):
    since: float
    seen: Seen


class PredictionList:
    """`GET /predictions`, newest first, a hundred a page.

    Whoever comes while a sweep is under way shares the next one: the one under way may have passed the
    place where their prediction will appear.
    """

    def __init__(self, api: Http) -> None:
        self._api = api
        self._lock = anyio.Lock()
        self._waiting: set[_Reader] = set()
        self.pages = 1
        """Requests that the last sweep took."""

    async def read(self, since: float, seen: Seen, policy: RetryPolicy) -> None:
        """Calls `seen` with the predictions created at or after `since` (`anyio.current_time`).

        It is called page by page, so that nothing has to be kept; perhaps with older ones too, and
        where a shared sweep breaks off, with some for a second time.
        """
        reader = _Reader(since, seen)
        self._waiting.add(reader)
        try:
            async with self._lock:
                if reader in self._waiting:
                    readers = frozenset(self._waiting)
                    await self._sweep(readers, policy)
                    self._waiting -= readers
        finally:
            self._waiting.discard(reader)

    async def _sweep(self, readers: frozenset[_Reader], policy: RetryPolicy) -> None:
        at = min(reader.since for reader in readers)
        url: str | None = "/predictions"
        since = self._server_time(at)
        if since is not None:
            url = f"/predictions?created_after={quote(since.isoformat())}"
        pages = 0
        while url is not None:
            body = await self._api.get(url, policy)
            try:
                page = decoded(decode_page, body)
            except ValueError as error:
                raise APIError(f"Replicate's list of predictions cannot be read: {error}.") from error
            pages += 1
            for reader in readers:
                for prediction in page.results:
                    reader.seen(prediction)
            since = since or self._server_time(at)
            oldest = created(page.results[-1].created_at) if page.results else None
            # Without a time to stop at, the newest page has to do.
            ends = since is None or oldest is None or oldest < since or pages >= _MOST_PAGES
            url = None if ends or page.next == url else page.next
        self.pages = pages

    def _server_time(self, at: float) -> datetime | None:
        time = self._api.server_time(at)
        return time and time - _MARGIN


def created(timestamp: str | None) -> datetime | None:
    """Replicate's timestamps, whose fractions have from none to nine digits; None for anything else."""
    match = _TIMESTAMP.fullmatch(timestamp or "")
    if match is None:
        return None
    try:
        time = datetime.fromisoformat(match[1] + (match[3] or "+00:00").replace("Z", "+00:00"))
    except ValueError:
        return None
    return time + timedelta(seconds=float(match[2] or 0))
