"""Asking one model after the other until one answers: the entries of a name, and `fallbacks`.

A stream is an answer once it has brought something: a model that fails before that is followed by the next one, too.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from itertools import chain

from ..chat.responses import Delta, ModelResponse, ModelResponseChunk
from ..errors import APIError
from ..logs import logger
from .streams import CompletionStream

Answer = ModelResponse | CompletionStream
Ask = Callable[[], Awaitable[Answer]]
Passes = Callable[[APIError], bool]
"""Whether the next one is asked after this failure."""

_OPENING = Delta(role="assistant", content="")


async def first_answer(asks: Iterator[Ask], passes: Passes) -> Answer:
    """The first answer; of several failures the last is raised."""
    answered = await _next_answer(asks, passes, None)
    if isinstance(answered, CompletionStream) and (following := next(asks, None)) is not None:
        return CompletionStream(_Switching(answered, chain([following], asks), passes))
    return answered


async def _next_answer(asks: Iterator[Ask], passes: Passes, failure: APIError | None) -> Answer:
    """The answer of the first that gives one, after this failure of those before."""
    for ask in asks:
        if failure is not None:
            logger.warning("%s failed, and the next model is asked: %s", failure.model, failure)
        try:
            return await ask()
        except APIError as error:
            if not passes(error):
                raise
            failure = error
    assert failure is not None, "there is one to ask"
    raise failure


class _Switching:
    """The chunks of a stream, or of the next ones until one has brought something. Openings are held back until then,
    as they name their model."""

    def __init__(self, stream: CompletionStream, asks: Iterator[Ask], passes: Passes) -> None:
        self._stream = stream
        self._asks: Iterator[Ask] | None = asks
        """None once something has come: it holds the conversation."""
        self._passes = passes
        self._held: list[ModelResponseChunk] = []
        self._left = False

    async def next(self) -> ModelResponseChunk | None:
        while self._asks is not None:
            try:
                chunk = await anext(self._stream, None)
            except APIError as error:
                if self._left or not self._passes(error):
                    raise
                self._held.clear()
                await self._switch(self._asks, error)
                continue
            if chunk is not None:
                self._held.append(chunk)
            if chunk is None or not _opens(chunk):
                self._asks = None
        return self._held.pop(0) if self._held else await anext(self._stream, None)

    async def _switch(self, asks: Iterator[Ask], failure: APIError) -> None:
        answered = await _next_answer(asks, self._passes, failure)
        assert isinstance(answered, CompletionStream), "as the one before"
        self._stream = answered
        if self._left:
            answered.leave()

    def leave(self) -> None:
        self._left = True
        self._stream.leave()

    def cut(self) -> None:
        self._stream.cut()

    async def interrupt(self) -> None:
        await self._stream.aclose()

    def call_soon(self, do: Callable[[], object]) -> None:
        self._stream.call_soon(do)


def _opens(chunk: ModelResponseChunk) -> bool:
    """Whether a chunk says only that a choice begins."""
    return [choice.delta for choice in chunk.choices if choice.finish_reason is None] == [_OPENING]
