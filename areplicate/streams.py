"""A chat completion as chunks, for `stream=True`."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from types import TracebackType
from typing import Protocol

import anyio

from .chat.answers import Question, finish_reason, run_of, usage_for
from .chat.chunks import ChunkMaker
from .chat.outputs import Lines, output_text, reply_splitter
from .chat.responses import Delta, ModelResponse, ModelResponseChunk
from .chat.usage import add
from .errors import APIError, PredictionCanceledError, PredictionFailedError, Timeout
from .replicate.http import Http
from .replicate.streaming import PredictionStream

_CLOSING = 6.0
"""Seconds that closing waits for another task to end the stream, cancelling included."""


_WORD = re.compile(r"\S*\s*(?!\s)", re.DOTALL)


class StreamEnd:
    """The end of a stream, and what is to be done then."""

    def __init__(self) -> None:
        self.reached = False
        self.error: APIError | None = None
        self.todo: list[Callable[[], object]] = []

    def reach(self) -> None:
        self.reached = True
        todo, self.todo = self.todo, []  # they may refer to the stream: kept, they would keep it
        for do in todo:
            do()


class Interruptible(Protocol):
    """What a stream stands on."""

    async def interrupt(self) -> None: ...


class CompletionStream:
    """The chunks of one completion: `async for chunk in stream`.

    Leaving it early, with `aclose()`, by the end of `async with`, or by being dropped, cancels the
    prediction. One of `APIError`'s subclasses is raised where the completion fails; on
    `PredictionFailedError` and `PredictionCanceledError`, `text` is what had come until then.
    """

    def __init__(
        self,
        chunks: AsyncGenerator[ModelResponseChunk, None],
        streams: Sequence[Interruptible],
        end: StreamEnd,
    ) -> None:
        self._chunks = chunks
        self._streams = streams
        self._end = end

    @property
    def error(self) -> APIError | None:
        """What the stream has failed with."""
        return self._end.error

    def __aiter__(self) -> CompletionStream:
        return self

    def __anext__(self) -> Awaitable[ModelResponseChunk]:
        return self._chunks.__anext__()

    async def aclose(self) -> None:
        try:
            await self._chunks.aclose()
        except RuntimeError:  # another task is reading or closing it
            for stream in self._streams:
                await stream.interrupt()
            await self.ended()

    async def ended(self) -> None:
        """Waits until the stream has ended, but for a few seconds at most."""
        ended = anyio.Event()
        self.when_ended(ended.set)
        with anyio.move_on_after(_CLOSING):
            await ended.wait()

    def when_ended(self, do: Callable[[], object]) -> None:
        """Calls `do` once the stream has ended, in whichever way."""
        if self._end.reached:
            do()
        else:
            self._end.todo.append(do)

    async def __aenter__(self) -> CompletionStream:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


async def begin_stream(
    api: Http, question: Question, streams: Sequence[PredictionStream], include_usage: bool
) -> CompletionStream:
    """The chunks of the predictions behind `streams`, one choice each.

    Choices come one after the other; all predictions run meanwhile, and their streams keep what
    nobody has read yet.
    """
    end = StreamEnd()
    chunks = _chunks(api, question, streams, include_usage, end)
    # A generator that has begun is closed by the event loop at the latest, and cancels its predictions
    # then; one that has not would be dropped in silence.
    await chunks.__anext__()
    return CompletionStream(chunks, streams, end)


def replay(response: ModelResponse, include_usage: bool) -> CompletionStream:
    """The chunks of an answer that is there already."""
    end = StreamEnd()
    return CompletionStream(_replayed(response, include_usage, end), [], end)


async def _replayed(
    response: ModelResponse, include_usage: bool, end: StreamEnd
) -> AsyncGenerator[ModelResponseChunk, None]:
    make = ChunkMaker(response.id, response.created, response.model)
    try:
        for choice in response.choices:
            yield make.delta(choice.index, Delta(role="assistant", content=""))
            for word in _WORD.findall(choice.message.content or ""):
                yield make.delta(choice.index, Delta(content=word))
            yield make.delta(choice.index, Delta(), choice.finish_reason)
        if include_usage:
            yield make.usage(response.usage)
    finally:
        end.reach()


async def _chunks(
    api: Http,
    question: Question,
    streams: Sequence[PredictionStream],
    include_usage: bool,
    end: StreamEnd,
) -> AsyncGenerator[ModelResponseChunk, None]:
    make = ChunkMaker(streams[0].prediction.id, int(time.time()), question.model)
    usages = []
    try:
        yield make.delta(0, Delta())  # only begins the generator; nobody is given it
        for index, stream in enumerate(streams):
            yield make.delta(index, Delta(role="assistant", content=""))
            split = reply_splitter(question.schema, question.model)
            lines = Lines()
            while pieces := await stream.read():
                for piece in map(lines, pieces):
                    for delta in split.feed(piece):
                        yield make.delta(index, delta)
            for delta in split.end():
                yield make.delta(index, delta)
            prediction = stream.prediction
            if failure := api.error_of(prediction):
                raise failure
            text = output_text(prediction.output)
            usage = usage_for(question, prediction, text)
            usages.append(usage)
            yield make.delta(index, Delta(), finish_reason(question, usage), [run_of(prediction, usage)])
        if include_usage:
            yield make.usage(add(usages))
    except TimeoutError as error:
        timeout = Timeout(f"The deadline passed while the prediction was {stream.phase}; it is cancelled.")
        timeout.text = stream.text
        timeout.about(question.model, stream.prediction.id)
        end.error = timeout
        raise timeout from error
    except APIError as error:
        if isinstance(error, (PredictionFailedError, PredictionCanceledError)):
            error.text = stream.text
        error.about(question.model, stream.prediction.id)
        end.error = error
        raise
    finally:
        for stream in streams:
            await stream.aclose()
        await api.cancel(*(s.prediction.id for s in streams if not s.prediction.terminal))
        end.reach()
