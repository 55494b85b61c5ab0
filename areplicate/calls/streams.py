"""A chat completion as chunks, for `stream=True`."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator
from typing import Protocol

import msgspec

from ..chat.answers import Question, finish_reason, run_of, usage_of
from ..chat.chunks import ChunkMaker
from ..chat.outputs import Lines, Splitter, output_text, read_reply, reply_splitter
from ..chat.responses import Delta, ModelResponse, ModelResponseChunk, Usage
from ..chat.usage import add
from ..errors import APIError, BadRequestError, PredictionCanceledError, PredictionFailedError, Timeout
from ..replicate.live import LivePrediction
from ..replicate.protocol.predictions import Prediction
from ..replicate.streaming import PredictionStream


class Source:
    """One prediction and its text: leaving it closes its connection and cancels it."""

    __slots__ = ("attempt", "stream")

    def __init__(self, attempt: LivePrediction, stream: PredictionStream) -> None:
        self.attempt = attempt
        self.stream = stream
        attempt.close = self.interrupt

    async def end(self) -> None:
        """Ends the stream, whose text has been read."""
        self.attempt.close = None
        self.attempt.leave()
        await self.stream.aclose()

    async def cut(self) -> None:
        """Ends the stream before its text has ended: the model may still be writing."""
        self.attempt.saw(await self.stream.cut(self.attempt.owner.cancel if self.attempt.certain else None))
        await self.end()

    async def interrupt(self) -> None:
        """Ends its connection, also under a `read` in another task."""
        await self.stream.interrupt()
        await self.stream.aclose()


_WORD = re.compile(r"\S*\s*(?!\s)", re.DOTALL)


class Chunks(Protocol):
    """Where a stream's chunks come from, and how that is left."""

    async def next(self) -> ModelResponseChunk | None:
        """The next chunk; None at the end."""

    def leave(self) -> None:
        """The reader has gone: predictions that still run are not wanted any more. In the loop's own thread."""

    def cut(self) -> None:
        """The present choice is complete for its reader: its last chunk comes next."""

    async def interrupt(self) -> None:
        """Ends a `next` that another task is waiting for."""

    def call_soon(self, do: Callable[[], object]) -> None:
        """Calls `do` in the loop's own thread."""


class _Ending(msgspec.Struct):
    """How a stream ends. An object of its own, because the stream itself may have been dropped by then."""

    _chunks: Chunks
    reached: bool = False
    error: APIError | None = None
    todo: tuple[Callable[[APIError | None], object], ...] = ()

    def reach(self) -> None:
        if not self.reached:
            self.reached = True
            self._chunks.leave()
            for do in self.todo:
                do(self.error)


class CompletionStream:
    """The chunks of one completion: `async for chunk in stream`.

    Leaving it early, with `aclose()`, by the end of `async with`, or by being dropped, cancels the
    prediction. One of `APIError`'s subclasses is raised if the completion fails; on
    `PredictionFailedError` and `PredictionCanceledError`, `text` is what had come until then.
    """

    def __init__(self, chunks: Chunks) -> None:
        self._chunks = chunks
        self._ending = _Ending(chunks)
        self._being_read = False

    @property
    def error(self) -> APIError | None:
        """What the stream has failed with."""
        return self._ending.error

    def __aiter__(self) -> CompletionStream:
        return self

    async def __anext__(self) -> ModelResponseChunk:
        if self._ending.reached:
            raise StopAsyncIteration
        if self._being_read:
            raise BadRequestError(
                "The stream is being read by another task or thread: let one read it and hand its chunks on."
            )
        self._being_read = True
        try:
            chunk = await self._chunks.next()
        except BaseException as error:
            self._ending.error = error if isinstance(error, APIError) else None
            self._ending.reach()
            raise
        finally:
            self._being_read = False
        if chunk is None:
            self._ending.reach()
            raise StopAsyncIteration
        return chunk

    async def aclose(self) -> None:
        self._ending.reach()
        await self._chunks.interrupt()

    close = aclose
    """OpenAI's name for it."""

    def leave(self) -> None:
        """`aclose` without waiting for the connection to be closed; in the loop's own thread."""
        self._ending.reach()

    def cut(self) -> None:
        """The present choice is complete for its reader: its prediction is cancelled, and its last chunk comes next."""
        self._chunks.cut()

    def call_soon(self, do: Callable[[], object]) -> None:
        """Calls `do` in the loop's own thread."""
        self._chunks.call_soon(do)

    def when_ended(self, do: Callable[[APIError | None], object]) -> None:
        """Calls `do` with what the stream has failed with, once it has ended, however that comes about.

        `do` must not hold the stream, which would then not be noticed to be dropped.
        """
        if self._ending.reached:
            do(self.error)
        else:
            self._ending.todo += (do,)

    def __del__(self) -> None:
        if not self._ending.reached:
            self._chunks.call_soon(self._ending.reach)

    async def __aenter__(self) -> CompletionStream:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


class AnswerChunks(msgspec.Struct, kw_only=True, eq=False):
    """The chunks of predictions as they are written, one choice each.

    The choices come one after the other. All predictions run at the same time, and their streams keep what
    has not been read yet.
    """

    question: Question
    sources: list[Source]
    make: ChunkMaker
    error_of: Callable[[Prediction], APIError | None]
    again: Callable[[LivePrediction, int], Awaitable[Source | None]]
    """Gives another source for a failed prediction that is worth creating again, after so many tries."""
    include_usage: bool
    _ready: list[ModelResponseChunk] = []  # few: an empty deque takes 700 bytes
    _usages: tuple[Usage, ...] = ()
    _split: Splitter | None = None
    _lines: Lines = msgspec.field(default_factory=Lines)
    _cut: bool = False
    """Whether the present choice is read no further."""
    _runs: tuple[Prediction, ...] = ()
    """The predictions of the present choice that have ended."""

    async def next(self) -> ModelResponseChunk | None:
        # The steps are taken here: each stream would keep a further coroutine in memory while it waits.
        while not self._ready:
            if self._index == len(self.sources):
                return None
            if self._split is None:
                question = self.question
                self._split = reply_splitter(question.schema, question.model, question.input.thought)
                self._say(Delta(role="assistant", content=""))
                break
            source = self.sources[self._index]
            try:
                if self._runs and self._runs[-1] is source.stream.prediction:
                    self._conclude()
                elif self._cut:
                    await source.cut()
                    self._runs += (source.stream.prediction,)
                elif pieces := await source.stream.read():
                    for piece in map(self._lines, pieces):
                        self._say(*self._split.feed(piece))
                else:
                    await self._end_text(source, self._split)
            except TimeoutError as late:
                phase = source.stream.phase
                error = Timeout(f"The deadline passed while the prediction was {phase}; it is cancelled.")
                raise self._about(error) from late
            except APIError as error:
                self._about(error)
                raise
        return self._ready.pop(0)

    def leave(self) -> None:
        for source in self.sources:
            source.attempt.leave()

    def cut(self) -> None:
        self._cut = True

    async def interrupt(self) -> None:
        for source in self.sources:
            await source.interrupt()

    def call_soon(self, do: Callable[[], object]) -> None:
        self.sources[0].attempt.call_soon(do)

    @property
    def _index(self) -> int:
        """The choice that is read."""
        return len(self._usages)

    async def _end_text(self, source: Source, split: Splitter) -> None:
        """A prediction has ended; if it failed on Replicate's side, another may take its place."""
        self._runs += (source.attempt.saw(source.stream.prediction),)
        if (
            not source.stream.text
            and (other := await self.again(source.attempt, len(self._runs))) is not None
        ):
            self.sources[self._index] = other
        else:
            self._say(*split.end())
        await source.end()

    def _conclude(self) -> None:
        """Gives the choice its last chunk; after the last choice comes the one with the usage."""
        prediction = self._runs[-1]
        if failure := self.error_of(prediction):
            raise failure
        question = self.question
        text = output_text(prediction.output)
        thought = read_reply(text, question.schema, question.model, question.input.thought).reasoning_content
        usage = usage_of(prediction, question.input.fields, text, thought)
        finish = finish_reason(question, usage)
        self._ready.append(self.make.delta(self._index, Delta(), finish, [run_of(self._runs, usage)]))
        self._usages += (usage,)
        self._split, self._lines, self._cut, self._runs = None, Lines(), False, ()
        if self.include_usage and self._index == len(self.sources):
            self._ready.append(self.make.usage(add(self._usages)))

    def _say(self, *deltas: Delta) -> None:
        self._ready.extend(self.make.delta(self._index, delta) for delta in deltas)

    def _about(self, error: APIError) -> APIError:
        """Adds the prediction and the text so far to an error."""
        stream = self.sources[self._index].stream
        if isinstance(error, (PredictionFailedError, PredictionCanceledError, Timeout)):
            error.text = stream.text
        error.about(self.question.model, stream.prediction.id)
        return error


class _Replayed:
    """The chunks of an answer that is complete already."""

    def __init__(self, response: ModelResponse, include_usage: bool) -> None:
        self._chunks = _chunks_of(response, include_usage)

    async def next(self) -> ModelResponseChunk | None:
        return next(self._chunks, None)

    def leave(self) -> None:
        """Does nothing: no prediction runs."""

    def cut(self) -> None:
        """Does nothing: the rest of a ready answer costs nothing."""

    async def interrupt(self) -> None:
        """Does nothing: nobody waits for the next chunk."""

    def call_soon(self, do: Callable[[], object]) -> None:
        do()


def replay(response: ModelResponse, include_usage: bool) -> CompletionStream:
    """A stream of an answer that is complete already."""
    return CompletionStream(_Replayed(response, include_usage))


def _chunks_of(response: ModelResponse, include_usage: bool) -> Iterator[ModelResponseChunk]:
    make = ChunkMaker(response.id, response.created, response.model)
    for choice in response.choices:
        yield make.delta(choice.index, Delta(role="assistant", content=""))
        for word in _WORD.findall(choice.message.content or ""):
            yield make.delta(choice.index, Delta(content=word))
        yield make.delta(choice.index, Delta(), choice.finish_reason)
    if include_usage:
        yield make.usage(response.usage)
