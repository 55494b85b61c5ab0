"""Many completions at once, each result as soon as it comes."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, aclosing
from contextvars import copy_context
from os import PathLike, fspath
from typing import Any, NamedTuple

import anyio
import msgspec
from anyio.abc import TaskGroup
from anyio.lowlevel import current_token

from ..chat.responses import ModelResponse
from ..errors import APIConnectionError, APIError
from ..options.values import checked_whole, wrong
from ..replicate.progress import RAISED
from .progress import progress_bar
from .requests import Ask, AskOne, JobEnded, Requests, arguments_of, as_it_is_now, checked_requests, each_of

MAX_IN_FLIGHT = 1000
"""How many requests are under way or waiting to be read, unless the caller says otherwise."""

_CLOSING = 15.0
"""Seconds that leaving waits for the calls that it cancels."""


class MapResult(msgspec.Struct, frozen=True):
    """The outcome of one request: of `response` and `error`, one is None. `index` is the request's place."""

    index: int
    response: ModelResponse | None = None
    error: APIError | None = None


class JournalSettings(NamedTuple):
    """Where a job keeps its answers, and whether rows that failed in an earlier run are asked again."""

    path: str | PathLike[str]
    retry_failed: bool = False


def journal_settings(journal: Any, retry_failed: bool) -> JournalSettings | None:
    """`map`'s arguments checked; None without a journal."""
    if journal is None:
        return None
    path = fspath(journal) if isinstance(journal, (str, PathLike)) else None
    if not isinstance(path, str) or not path or "\0" in path:
        raise wrong("journal", journal, "the path of a file, such as answers.journal")
    return JournalSettings(path, retry_failed)


def map_calls(
    ask: Ask,
    requests: Requests,
    max_in_flight: int | None = None,
    progress: bool = False,
    journal: JournalSettings | None = None,
) -> AsyncGenerator[MapResult, None]:
    """The results of all requests as they come; leaving the iterator cancels the rest.

    A request is taken from `requests` when there is room for it, so these may be endless. What
    `requests` itself raises is raised here, after the results of what was taken before. With a `journal`,
    answers are written there, and a request that has one there is not asked.

    Raises:
        BadRequestError: an argument is wrong. What is wrong with one request is that result's `error`.
    """
    most, checked = most_in_flight(max_in_flight), checked_requests(requests)
    return _results(ask, checked, most, progress, journal)


async def _results(
    ask: Ask, requests: Requests, most: int, progress: bool, journal: JournalSettings | None
) -> AsyncGenerator[MapResult, None]:
    with progress_bar(requests, progress) as saw:
        calls = await Calls.open(ask, most, journal)
        try:
            calls.take_all(requests)
            while (result := await calls.next()) is not None:
                saw(result.error)
                yield result
        finally:
            await calls.aclose()


class Calls:
    """Calls that run at the same time, and their results in the order in which they end.

    They run below a task of their own, not below the caller's: an iterator may be left at any time and
    from any scope, and a task group that is open while an iterator waits for its caller would be left
    out of order.
    """

    def __init__(self, ask: Ask, most: int, journal: JournalSettings | None = None) -> None:
        self._most = most
        self._journal = journal
        self._begun = 0
        self._unread = 0
        """Requests that were taken and whose results were not."""
        self._results: deque[MapResult] = deque()
        self._taking = False
        self._failure: BaseException | None = None
        self._ask_one: AskOne = lambda index, request: ask(**request)
        self._group: TaskGroup
        self._changed = anyio.Event()
        self._closing = anyio.Event()
        self._ended = anyio.Event()

    @classmethod
    async def open(cls, ask: Ask, most: int, journal: JournalSettings | None = None) -> Calls:
        """Calls that may begin.

        Raises:
            BadRequestError: the journal cannot be used.
        """
        calls = cls(ask, most, journal)
        _in_background(calls._run)
        try:
            await calls._changed.wait()
        except BaseException:
            calls._closing.set()
            await calls._wait_until_ended()  # a journal that is left as it opens is free for the next
            raise
        if calls._failure is not None:
            raise calls._failure
        return calls

    @property
    def full(self) -> bool:
        """Whether a result must be read before another call may begin."""
        return self._unread >= self._most

    @property
    def failed(self) -> bool:
        """Whether nothing more may begin."""
        return self._failure is not None

    def fail(self, error: BaseException) -> None:
        """Begins nothing more; `next` raises `error` after the results of what has begun."""
        self._failure = error

    def begin(self, request: Any) -> None:
        """Starts the call that a request asks for."""
        index, self._begun = self._begun, self._begun + 1
        self._unread += 1
        self._group.start_soon(self._call, index, as_it_is_now(request))

    def take_all(self, requests: Requests) -> None:
        """Begins one request after the other, as soon as there is room for it."""
        self._taking = True
        self._group.start_soon(self._take, requests)

    def ready(self) -> MapResult | None:
        """The next result, if it has come already."""
        if not self._results:
            return None
        self._unread -= 1
        self._tell()
        return self._results.popleft()

    async def next(self) -> MapResult | None:
        """The next result; None after the last."""
        while not self._results:
            if not self._unread and not self._taking:
                if self._failure is not None:
                    raise self._failure
                return None
            if self._ended.is_set():
                raise self._failure or APIConnectionError(
                    "The event loop ended the calls: it is shutting down."
                )
            await self._changed.wait()
        return self.ready()

    async def aclose(self) -> None:
        """Cancels what runs, and waits for it to end."""
        self._closing.set()
        self._group.cancel_scope.cancel()
        await self._wait_until_ended()

    async def _wait_until_ended(self) -> None:
        with anyio.move_on_after(_CLOSING, shield=True):
            await self._ended.wait()

    async def _run(self) -> None:
        try:
            async with AsyncExitStack() as stack:
                if self._journal is not None:
                    from .journal import Journal  # SQLite, which other callers need not wait for
                    from .journaled import JournaledAsk

                    journal = await stack.enter_async_context(Journal(self._journal.path))
                    self._ask_one = JournaledAsk(self._ask_one, journal, self._journal.retry_failed)
                async with anyio.create_task_group() as self._group:
                    self._tell()
                    await self._closing.wait()
        except Exception as error:
            self.fail(error)
        finally:
            self._ended.set()
            self._tell()

    async def _take(self, requests: Requests) -> None:
        try:
            async with aclosing(each_of(requests)) as each:
                async for request in each:
                    self.begin(request)
                    while self.full:
                        await self._changed.wait()
                    if self.failed:
                        return
        except Exception as error:
            self.fail(error)
        finally:
            self._taking = False
            self._tell()

    async def _call(self, index: int, request: Any) -> None:
        try:
            self._results.append(MapResult(index, await self._ask_one(index, arguments_of(index, request))))
        except APIError as error:
            self._results.append(MapResult(index, error=error))
        except JobEnded as ended:
            self._unread -= 1
            self.fail(ended.error)
        except RAISED as error:  # not ours: such as a warning that the caller has turned into an error
            self._unread -= 1
            self.fail(error)
        self._tell()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()


def most_in_flight(given: Any) -> int:
    return MAX_IN_FLIGHT if given is None else checked_whole("max_in_flight", given, least=1)


_tasks: set[asyncio.Task[None]] = set()
"""The event loop itself does not keep its tasks."""


def _in_background(work: Callable[[], Any]) -> None:
    """Runs `work` below no other task of this event loop, whichever kind of loop that is."""
    if isinstance(loop := current_token().native_token, asyncio.AbstractEventLoop):
        # Not the loop's own way to make one: an eager task would begin before anybody waits for that.
        task = asyncio.Task(work(), loop=loop)
        _tasks.add(task)
        task.add_done_callback(_tasks.discard)
    else:
        import trio

        trio.lowlevel.spawn_system_task(work, context=copy_context())
