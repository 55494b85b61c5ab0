"""A chat completion as chunks, for `stream=True`."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Awaitable, Sequence
from types import TracebackType

from .api import API
from .chat.answers import Question, finish_reason, run_of, usage_for
from .chat.chunks import ChunkMaker
from .chat.outputs import output_text, read_reply, reply_splitter
from .chat.responses import Delta, ModelResponseChunk
from .chat.usage import add
from .errors import APIError, PredictionCanceledError, PredictionFailedError, Timeout
from .prediction_stream import PredictionStream
from .protocol.problems import error_from_prediction


class CompletionStream:
    """The chunks of one completion: `async for chunk in stream`.

    Leaving it early, with `aclose()`, by the end of `async with`, or by being dropped, cancels the
    prediction. One of `APIError`'s subclasses is raised where the completion fails; on
    `PredictionFailedError` and `PredictionCanceledError`, `text` is what had come until then.
    """

    def __init__(self, chunks: AsyncGenerator[ModelResponseChunk, None]) -> None:
        self._chunks = chunks

    def __aiter__(self) -> CompletionStream:
        return self

    def __anext__(self) -> Awaitable[ModelResponseChunk]:
        return self._chunks.__anext__()

    async def aclose(self) -> None:
        await self._chunks.aclose()

    async def __aenter__(self) -> CompletionStream:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


async def begin_stream(
    api: API, question: Question, streams: Sequence[PredictionStream], include_usage: bool
) -> CompletionStream:
    """The chunks of the predictions behind `streams`, one choice each.

    Choices come one after the other; all predictions run meanwhile, and their streams keep what
    nobody has read yet.
    """
    chunks = _chunks(api, question, streams, include_usage)
    # A generator that has begun is closed by the event loop at the latest, and cancels its predictions
    # then; one that has not would be dropped in silence.
    await chunks.__anext__()
    return CompletionStream(chunks)


async def _chunks(
    api: API, question: Question, streams: Sequence[PredictionStream], include_usage: bool
) -> AsyncGenerator[ModelResponseChunk, None]:
    make = ChunkMaker(streams[0].prediction.id, int(time.time()), question.model)
    usages = []
    try:
        yield make.delta(0, Delta())  # only begins the generator; nobody is given it
        for index, stream in enumerate(streams):
            yield make.delta(index, Delta(role="assistant", content=""))
            split = reply_splitter(question.schema, question.tools_given, question.model)
            while pieces := await stream.read():
                for piece in pieces:
                    for delta in split.feed(piece):
                        yield make.delta(index, delta)
            for delta in split.end():
                yield make.delta(index, delta)
            prediction = stream.prediction
            if failure := error_from_prediction(prediction):
                raise failure
            text = output_text(prediction.output)
            reply = read_reply(text, question.schema, question.tools_given, question.model)
            usage = usage_for(question, prediction, text)
            usages.append(usage)
            yield make.delta(
                index, Delta(), finish_reason(question, reply, usage), [run_of(prediction, usage)]
            )
        if include_usage:
            yield make.usage(add(usages))
    except TimeoutError as error:
        timeout = Timeout(f"The deadline passed while the prediction was {stream.phase}; it is cancelled.")
        timeout.text = stream.text
        timeout.about(question.model, stream.prediction.id)
        raise timeout from error
    except APIError as error:
        if isinstance(error, (PredictionFailedError, PredictionCanceledError)):
            error.text = stream.text
        error.about(question.model, stream.prediction.id)
        raise
    finally:
        for stream in streams:
            await stream.aclose()
            if not stream.prediction.terminal:
                await api.cancel(stream.prediction.id)
