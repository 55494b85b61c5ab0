"""`acompletion`, `completion` and the other module-level functions, on a router that they make themselves."""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures.thread  # noqa: F401  once the main thread has ended, that cannot be imported
import inspect
import os
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import AbstractContextManager
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ParamSpec, TypeAlias, TypeVar, cast
from weakref import WeakValueDictionary

import anyio
import anyio.from_thread
from anyio.from_thread import BlockingPortal
from anyio.lowlevel import current_token

from .bulk.map import Calls, Kept, MapResult, kept_in, most_in_flight
from .bulk.progress import progress_bar
from .bulk.requests import checked_requests
from .calls.streams import CompletionStream
from .chat.embeddings import EmbeddingResponse
from .chat.parsed import Parsed
from .chat.responses import ModelResponse, ModelResponseChunk
from .errors import APIConnectionError
from .options.signature import signed
from .replicate.background import at_exit_of_a_child, uninterrupted
from .replicate.transports.base import Transport
from .router import AsyncRouter, typed

if TYPE_CHECKING:
    from .options.call_types import CompletionFunction

P = ParamSpec("P")
T = TypeVar("T")
SyncCompletion: TypeAlias = (
    "CompletionFunction[ModelResponse, SyncCompletionStream, ModelResponse | SyncCompletionStream]"
)


@typed
async def acompletion(model: str, messages: Sequence[Any], **params: Any) -> ModelResponse | CompletionStream:
    """One chat completion: a `ModelResponse`, or with `stream=True` a `CompletionStream` of chunks.

    The router behind it is this event loop's own. Its connections are kept between calls and closed
    when the loop shuts down.
    """
    router = await _routers.here()
    answer: ModelResponse | CompletionStream = await router.acompletion(model, messages, **params)
    return answer


def _typed(function: Callable[..., Any]) -> SyncCompletion:
    return cast("SyncCompletion", signed(function))


@_typed
def completion(model: str, messages: Sequence[Any], **params: Any) -> ModelResponse | SyncCompletionStream:
    """`acompletion` for code that is not async: scripts, threads, notebooks.

    All calls of a process share one background thread and its connections. Ctrl-C cancels the
    prediction. With `stream=True` it gives a `SyncCompletionStream`.
    """
    return sync(run(lambda: acompletion(model, messages, **params)))


def run(work: Callable[[], Awaitable[T]]) -> T:
    """Runs an async function on the background thread's loop, and waits for it."""
    return _portal.call(work)


def sync(answer: ModelResponse | CompletionStream) -> ModelResponse | SyncCompletionStream:
    """An answer from that loop, for code that is not async."""
    return SyncCompletionStream(answer) if isinstance(answer, CompletionStream) else answer


def map(
    requests: Iterable[Mapping[str, Any]],
    max_in_flight: int | None = None,
    progress: bool = False,
    journal: str | os.PathLike[str] | None = None,
    retry_failed: bool = False,
) -> Iterator[MapResult]:
    """`AsyncRouter.map` for code that is not async: `for result in areplicate.map(requests)`.

    `requests` is read in the caller's thread, between the results.
    """
    most, checked = most_in_flight(max_in_flight), checked_requests(requests)
    return _results(checked, most, progress, kept_in(journal, retry_failed))


def _results(
    requests: Iterable[Mapping[str, Any]], most: int, progress: bool, kept: Kept | None
) -> Iterator[MapResult]:
    with progress_bar(requests, progress) as saw:
        calls = _portal.call(lambda: Calls.open(acompletion, most, kept))
        try:
            for result in _taken_in_turn(calls, requests):
                saw(result.error)
                yield result
        finally:
            if _portal.running:  # else its end has ended them, or they are another process's
                _portal.call(calls.aclose)


def _taken_in_turn(calls: Calls, requests: Iterable[Mapping[str, Any]]) -> Iterator[MapResult]:
    async def begin(request: Mapping[str, Any]) -> None:
        calls.begin(request)

    async def ready() -> MapResult | None:
        return await calls.next() if calls.full else calls.ready()

    iterator = iter(requests)
    while not calls.failed:
        try:
            request = next(iterator)
        except StopIteration:
            break
        except Exception as error:
            calls.fail(error)
            break
        _portal.call(partial(begin, request))
        while (result := _portal.call(ready)) is not None:
            yield result
    while (result := _portal.call(calls.next)) is not None:
        yield result


def _taking(of: Callable[P, Any]) -> Callable[[Callable[..., None]], Callable[P, None]]:
    """Gives a function the arguments of another, for type checkers and for `help()`."""

    def typed(function: Callable[..., None]) -> Callable[P, None]:
        function.__signature__ = inspect.signature(of)  # type: ignore[attr-defined]
        return function

    return typed


@_taking(AsyncRouter)
def configure(**options: Any) -> None:
    """Sets up the router behind `acompletion`, `completion` and `map`, from the next call on.

    Takes the arguments of `AsyncRouter`, and none for the usual ones again. A call under way keeps the
    router that it began with. A `transport` belongs to one event loop: that of `asyncio.run`, or the one
    in the background on which `completion` and `map` run.

    Raises:
        BadRequestError: an argument is wrong.
    """
    global _routers
    AsyncRouter(**options)  # raises if an argument is wrong; it opens nothing

    def make(transport: Transport | None) -> AsyncRouter:
        return AsyncRouter(**{"transport": transport, **options})

    _routers = LoopRouters(make)  # those made before close with their loops


async def aparse(model: str, messages: Sequence[Any], response_format: type[T], **params: Any) -> Parsed[T]:
    """A completion as an object of a pydantic class: `AsyncRouter.aparse` on this event loop's default router."""
    router = await _routers.here()
    return await router.aparse(model, messages, response_format, **params)


def parse(model: str, messages: Sequence[Any], response_format: type[T], **params: Any) -> Parsed[T]:
    """`aparse` for code that is not async."""
    return _portal.call(lambda: aparse(model, messages, response_format, **params))


async def aembedding(model: str, input: str | Sequence[str], **params: Any) -> EmbeddingResponse:
    """The vectors of a text or of several: `AsyncRouter.aembedding` on this event loop's default router."""
    router = await _routers.here()
    response: EmbeddingResponse = await router.aembedding(model, input, **params)
    return response


def embedding(model: str, input: str | Sequence[str], **params: Any) -> EmbeddingResponse:
    """`aembedding` for code that is not async."""
    return _portal.call(lambda: aembedding(model, input, **params))


class SyncCompletionStream:
    """The chunks of one completion: `for chunk in stream`.

    Leaving it early, with `close()`, by the end of `with`, or by being dropped, cancels the prediction.
    """

    def __init__(self, stream: CompletionStream) -> None:
        self._stream = stream

    def __iter__(self) -> SyncCompletionStream:
        return self

    def __next__(self) -> ModelResponseChunk:
        chunk = _portal.call(self._next)
        if chunk is None:
            raise StopIteration
        return chunk

    def close(self) -> None:
        _portal.call(self._stream.aclose)

    def __enter__(self) -> SyncCompletionStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def _next(self) -> ModelResponseChunk | None:
        async for chunk in self._stream:
            return chunk
        return None


class LoopRouters:
    """One router for each event loop, because connections belong to one. It closes with its loop."""

    def __init__(self, make: Callable[..., AsyncRouter]) -> None:
        self._make = make
        self._routers: WeakValueDictionary[Any, AsyncRouter] = WeakValueDictionary()

    async def here(self) -> AsyncRouter:
        """The router of the loop that this runs on."""
        loop = current_token().native_token
        router = self._routers.get(loop)
        if router is None or router.closed:
            router = self._routers[loop] = self._make(transport=_transport_for(loop))
        return router


def _transport_for(loop: Any) -> Transport | None:
    """aiohttp knows asyncio only."""
    if isinstance(loop, asyncio.AbstractEventLoop):
        return None
    from .replicate.transports.httpx import HttpxTransport

    return HttpxTransport()


class _Portal:
    """A background event loop: it begins with the first call and ends with the interpreter."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: AbstractContextManager[BlockingPortal] | None = None
        self._portal: BlockingPortal | None = None
        self._inherited: list[object] = []
        atexit.register(self.close)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forget)

    @property
    def running(self) -> bool:
        return self._portal is not None

    def call(self, function: Callable[[], Awaitable[T]]) -> T:
        """Runs an async function there and waits for it; an interrupted wait cancels it."""
        with self._lock:
            portal = self._portal or self._start()
        future = portal.start_task_soon(function)
        try:
            return future.result()
        except CancelledError:
            raise APIConnectionError("The program ends, which ends its calls.") from None
        except BaseException:
            # The prediction is cancelled in the background; `close` waits for that at the latest.
            future.cancel()
            raise

    def _start(self) -> BlockingPortal:
        options = {"use_uvloop": find_spec("uvloop") is not None}
        self._open = anyio.from_thread.start_blocking_portal("asyncio", options)
        self._portal = self._open.__enter__()
        at_exit_of_a_child(self.close)
        return self._portal

    def close(self) -> None:
        """Cancels what is still running, since nobody can be waiting for it, and ends the loop."""
        with self._lock:
            portal, self._portal = self._portal, None
            opened, self._open = self._open, None
        if portal is not None and opened is not None:
            with uninterrupted():
                portal.call(portal.stop, True)
                opened.__exit__(None, None, None)

    def _forget(self) -> None:
        # A forked child has the portal but not the thread behind it: it is left as it is, for dropping
        # it would wait for that thread, and another is begun with the next call.
        self._inherited.append(self._open)
        self._lock = threading.Lock()
        self._open = self._portal = None


_portal = _Portal()
_routers = LoopRouters(AsyncRouter)
