"""The chunks of a streamed completion, and the completion that they add up to."""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Iterable, Sequence
from typing import overload

import msgspec

from .responses import (
    Choice,
    ChunkChoice,
    Delta,
    FinishReason,
    Message,
    ModelResponse,
    ModelResponseChunk,
    Run,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from .usage import add, counted


class ChunkMaker(msgspec.Struct, frozen=True):
    """Makes the chunks of one completion, which share its id, time and model."""

    _id: str
    _created: int
    _model: str

    def delta(
        self,
        index: int,
        delta: Delta,
        finish_reason: FinishReason | None = None,
        replicate: list[Run] | None = None,
    ) -> ModelResponseChunk:
        """A chunk that adds `delta` to choice `index`."""
        return ModelResponseChunk(
            id=self._id,
            object="chat.completion.chunk",
            created=self._created,
            model=self._model,
            choices=[ChunkChoice(index=index, delta=delta, finish_reason=finish_reason)],
            replicate=replicate,
        )

    def usage(self, usage: Usage) -> ModelResponseChunk:
        """The chunk that `stream_options={"include_usage": True}` asks for; it has no choices."""
        return ModelResponseChunk(
            id=self._id,
            object="chat.completion.chunk",
            created=self._created,
            model=self._model,
            choices=[],
            usage=usage,
        )


def deltas_of(message: Message) -> list[Delta]:
    """The deltas with which a stream would have built a whole message."""
    deltas = [Delta(reasoning_content=message.reasoning_content), Delta(content=message.content)]
    for index, call in enumerate(message.tool_calls or ()):
        deltas.append(Delta(tool_calls=[ToolCallDelta(index=index, id=call.id, function=call.function)]))
    if message.function_call is not None:
        deltas.append(Delta(function_call=message.function_call))
    return deltas


def message_of(deltas: Sequence[Delta]) -> Message:
    """The message that deltas build."""
    content = "".join([delta.content for delta in deltas if delta.content])
    calls = [
        ToolCall(id=call.id, function=call.function) for delta in deltas for call in delta.tool_calls or ()
    ]
    older = next((delta.function_call for delta in deltas if delta.function_call), None)
    return Message(
        role="assistant",
        content=None if (calls or older) and not content else content,
        reasoning_content="".join([d.reasoning_content for d in deltas if d.reasoning_content]) or None,
        tool_calls=calls or None,
        function_call=older,
    )


@overload
def stream_to_completion(chunks: Iterable[ModelResponseChunk]) -> ModelResponse: ...
@overload
def stream_to_completion(chunks: AsyncIterable[ModelResponseChunk]) -> Awaitable[ModelResponse]: ...
def stream_to_completion(
    chunks: Iterable[ModelResponseChunk] | AsyncIterable[ModelResponseChunk],
) -> ModelResponse | Awaitable[ModelResponse]:
    """The completion that the same call without `stream` would have given.

    Args:
        chunks: all chunks of one stream: a list, the stream of `completion`, or, to be awaited, the
            stream of `acompletion`.

    Raises:
        ValueError: `chunks` is empty.
    """
    if isinstance(chunks, AsyncIterable):
        return _collect(chunks)
    return _put_together(list(chunks))


async def _collect(chunks: AsyncIterable[ModelResponseChunk]) -> ModelResponse:
    return _put_together([chunk async for chunk in chunks])


def _put_together(chunks: list[ModelResponseChunk]) -> ModelResponse:
    if not chunks:
        raise ValueError("chunks is empty: a completion is made of at least one.")
    usage: Usage | None = None
    deltas: dict[int, list[Delta]] = {}
    reasons: dict[int, FinishReason] = {}
    runs: dict[int, list[Run]] = {}
    for chunk in chunks:
        usage = chunk.usage or usage
        for choice in chunk.choices:
            deltas.setdefault(choice.index, []).append(choice.delta)
            runs.setdefault(choice.index, []).extend(chunk.replicate or ())
            if choice.finish_reason is not None:
                reasons[choice.index] = choice.finish_reason
    ran = [run for index in sorted(runs) for run in runs[index]]
    measured = [run.usage for run in ran if run.usage is not None]
    return ModelResponse(
        id=chunks[0].id,
        created=chunks[0].created,
        model=chunks[0].model,
        choices=[
            Choice(index=index, message=message_of(deltas[index]), finish_reason=reasons.get(index, "stop"))
            for index in sorted(deltas)
        ],
        usage=usage or (add(measured) if measured else counted(0, 0)),
        replicate=ran,
    )
