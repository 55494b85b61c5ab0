"""Reads the account's list of predictions, once for all who want it at the same time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import cached_property, partial
from typing import Any
from urllib.parse import quote, urlsplit

import anyio
import msgspec

from ..clock import now
from ..errors import APIConnectionError, APIError, RateLimitError
from .background import Background
from .http import Http
from .limits import RANK, Rank
from .protocol.decoding import decoded
from .protocol.predictions import CANCELLED, ListedPrediction, Prediction, PredictionPage, decode_page
from .retry import RetryPolicy
from .server_clock import ServerClock, seconds, timestamp

_PAGE_SECONDS = 5.0
"""For how long a page is waited for. No caller's retries or deadline hold up the others."""

_APART = 0.25
"""Seconds between the beginnings of two sweeps, so that callers who come shortly after one another share one."""

_AHEAD = 600.0
"""Seconds by which a row may be ahead of this machine's clock without doubt about one of them."""

_MOST_PAGES = 200
"""A sweep ends here at the latest: nobody has 20,000 predictions under way."""


class ListRow:
    """A prediction in the list.

    Attributes:
        created: seconds since 1970.
        mark: what its `Cancel-After` was.
    """

    def __init__(self, prediction: ListedPrediction) -> None:
        self.prediction = prediction
        self.created = seconds(prediction.created_at)
        self.mark = mark_of(prediction)

    @property
    def cancelled(self) -> bool:
        return self.prediction.status in CANCELLED

    @cached_property
    def input(self) -> Any:
        try:
            return decoded(msgspec.json.decode, bytes(self.prediction.input))
        except ValueError:
            return None


def mark_of(prediction: Prediction) -> int | None:
    """Seconds from its creation to its deadline, which are whole, though one of the times may lack its fraction."""
    since, until = seconds(prediction.created_at), seconds(prediction.deadline)
    if since is None or until is None:
        return None
    if since.is_integer() == until.is_integer():
        return round(until - since)
    return math.floor(until - since) if since.is_integer() else math.ceil(until - since)


class _Reader(msgspec.Struct):
    """A caller who waits for a sweep, and what it finds for them."""

    since: Callable[[], float]
    seen: Callable[[ListRow], object]
    done: anyio.Event = msgspec.field(default_factory=anyio.Event)
    error: APIError | None = msgspec.field(
        default_factory=partial(APIConnectionError, "The router was closed.")
    )


class PredictionList(msgspec.Struct, eq=False):
    """`GET /predictions`, newest first, a hundred a page.

    A sweep is a task of its own, with its own time limits. Callers who come while one is under way share the
    next: the one under way may have passed the place where their prediction will appear.
    """

    _http: Http
    _clock: ServerClock
    _background: Background
    pages: int = 1
    """Requests that the last sweep took."""
    _waiting: list[_Reader] = []
    _sweeper: object = None
    _next_at: float = -math.inf
    _rank: Rank = Rank.LIST
    """It goes first, but not again where it was throttled: single looks may be healthy."""

    async def read(self, since: Callable[[], float], seen: Callable[[ListRow], object]) -> None:
        """Calls `seen` with the predictions created at or after `since`; perhaps with older ones too.

        Args:
            since: seconds since 1970 by the server's clock, as far as is known by now.
            seen: called page by page, so that nothing has to be kept; not at all once its caller has left.

        Raises:
            APIError: a page could not be read.
        """
        reader = _Reader(since, seen)
        self._waiting.append(reader)
        if not self._background.runs(self._sweeper):
            self._sweeper = self._background.spawn(self._sweep_for_all)
            if not self._background.runs(self._sweeper):  # too late for tasks
                await self._sweep_for_all()
        try:
            await reader.done.wait()
        except BaseException:
            reader.seen = _nothing
            raise
        if reader.error is not None:
            raise reader.error

    async def _sweep_for_all(self) -> None:
        while self._waiting:
            await anyio.sleep(max(0.0, self._next_at - now()))
            self._next_at = now() + _APART
            readers, self._waiting = self._waiting, []
            if not readers:  # another sweeper has read for them
                break
            try:
                RANK.set(self._rank)
                error = await self._sweep(readers)
                self._rank = Rank.CALL if isinstance(error, RateLimitError) else Rank.LIST
                for reader in readers:
                    reader.error = error
            finally:
                for reader in readers:
                    reader.done.set()

    async def _sweep(self, readers: list[_Reader]) -> APIError | None:
        url: str | None = "/predictions"
        if (since := min(reader.since() for reader in readers)) > 0:
            url = f"/predictions?created_after={quote(timestamp(since))}"
        read: set[str] = set()
        while url is not None and url not in read and len(read) < _MOST_PAGES:
            try:
                page = await self._page(url)
            except APIError as error:
                return error
            read.add(url)
            oldest = self._show(page, readers)
            past = oldest is not None and oldest < min(reader.since() for reader in readers)
            query = _query_of(page.next or "")
            url = f"/predictions?{query}" if query and not past else None
        self.pages = len(read)
        return None

    async def _page(self, url: str) -> PredictionPage:
        try:
            with anyio.fail_after(_PAGE_SECONDS):
                body = await self._http.get(url, RetryPolicy(0))
        except TimeoutError:
            raise APIConnectionError(
                f"Replicate's list of predictions did not come within {_PAGE_SECONDS:g} s."
            ) from None
        try:
            return decoded(decode_page, body)
        except ValueError as error:
            raise APIError(f"Replicate's list of predictions cannot be read: {error}.") from error

    def _show(self, page: PredictionPage, readers: list[_Reader]) -> float | None:
        """Shows a page to those who read; gives the time of its last row."""
        rows = [ListRow(prediction) for prediction in page.results]
        if (created := _believable([row.created for row in rows if row.created is not None])) is not None:
            self._clock.saw_row(created, now())
        for row in rows:
            for reader in readers:
                reader.seen(row)
        return rows[-1].created if rows else None


def _believable(created: list[float]) -> float | None:
    """The latest of these times, newest first, that a server's clock has certainly shown.

    A single row may be of a machine whose clock is ahead. But if all are ahead, this machine's clock is behind.
    """
    until = time.time() + _AHEAD
    return next((each for each in created if each <= until), created[1] if len(created) > 1 else None)


def _query_of(url: str) -> str:
    """All that counts of the next page's URL: it is on the base that was configured, whatever host is named."""
    try:
        return urlsplit(url).query
    except ValueError:
        return ""


def _nothing(row: ListRow) -> None:
    """In the place of `seen` for a reader who has left."""
