"""`acompletion`, `completion` and the other module-level functions, on a router that they make themselves."""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ParamSpec, TypeAlias, TypeVar, cast
from weakref import WeakValueDictionary

from anyio.lowlevel import current_token

from .bulk.map import Calls, JournalSettings, MapResult, journal_settings, most_in_flight
from .bulk.progress import progress_bar
from .bulk.requests import checked_requests
from .calls.streams import CompletionStream
from .chat.embeddings import EmbeddingResponse
from .chat.parsed import Parsed
from .chat.responses import ModelResponse, ModelResponseChunk
from .clock import running_loop
from .options.signature import signed
from .portal import is_running, run
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
    router = _routers.here()
    answer: ModelResponse | CompletionStream = await router.acompletion(model, messages, **params)
    return answer


def typed_sync(function: Callable[..., Any]) -> SyncCompletion:
    """The function, with the options of a call in its signature."""
    return cast("SyncCompletion", signed(function))


@typed_sync
def completion(model: str, messages: Sequence[Any], **params: Any) -> ModelResponse | SyncCompletionStream:
    """`acompletion` for code that is not async: scripts, threads, notebooks.

    All calls of a process share one background thread and its connections. Ctrl-C cancels the
    prediction. With `stream=True` it gives a `SyncCompletionStream`.
    """
    return sync(run(lambda: acompletion(model, messages, **params)))


def sync(answer: ModelResponse | CompletionStream) -> ModelResponse | SyncCompletionStream:
    """An answer from the loop in the background, for code that is not async."""
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
    return _results(checked, most, progress, journal_settings(journal, retry_failed))


def _results(
    requests: Iterable[Mapping[str, Any]], most: int, progress: bool, journal: JournalSettings | None
) -> Iterator[MapResult]:
    with progress_bar(requests, progress) as saw:
        calls = run(lambda: Calls.open(acompletion, most, journal))
        try:
            for result in _taken_in_turn(calls, requests):
                saw(result.error)
                yield result
        finally:
            if is_running():  # else its end has ended them, or they are another process's
                run(calls.aclose)


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
        run(partial(begin, request))
        while (result := run(ready)) is not None:
            yield result
    while (result := run(calls.next)) is not None:
        yield result


def _with_arguments_of(of: Callable[P, Any]) -> Callable[[Callable[..., None]], Callable[P, None]]:
    """Gives a function the arguments of another, for type checkers and for `help()`."""

    def typed(function: Callable[..., None]) -> Callable[P, None]:
        function.__signature__ = inspect.signature(of)  # type: ignore[attr-defined]
        return function

    return typed


@_with_arguments_of(AsyncRouter)
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
    return await _routers.here().aparse(model, messages, response_format, **params)


def parse(model: str, messages: Sequence[Any], response_format: type[T], **params: Any) -> Parsed[T]:
    """`aparse` for code that is not async."""
    return run(lambda: aparse(model, messages, response_format, **params))


async def aembedding(model: str, input: str | Sequence[str], **params: Any) -> EmbeddingResponse:
    """The vectors of a text or of several: `AsyncRouter.aembedding` on this event loop's default router."""
    return await _routers.here().aembedding(model, input, **params)


def embedding(model: str, input: str | Sequence[str], **params: Any) -> EmbeddingResponse:
    """`aembedding` for code that is not async."""
    return run(lambda: aembedding(model, input, **params))


class SyncCompletionStream:
    """The chunks of one completion: `for chunk in stream`.

    Leaving it early, with `close()`, by the end of `with`, or by being dropped, cancels the prediction.
    """

    def __init__(self, stream: CompletionStream) -> None:
        self._stream = stream

    def __iter__(self) -> SyncCompletionStream:
        return self

    def __next__(self) -> ModelResponseChunk:
        chunk = run(self._next)
        if chunk is None:
            raise StopIteration
        return chunk

    def close(self) -> None:
        run(self._stream.aclose)

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

    def here(self) -> AsyncRouter:
        """The router of the loop that this runs on."""
        loop = running_loop() or current_token().native_token
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


_routers = LoopRouters(AsyncRouter)
