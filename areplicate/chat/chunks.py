"""The chunks of a streamed completion, and the completion that they add up to."""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Iterable
from typing import overload

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
from .usage import add


class ChunkMaker:
    """Makes the chunks of one completion, which share its id, time and model."""

    __slots__ = ("_created", "_id", "_model")

    def __init__(self, id: str, created: int, model: str) -> None:
        self._id = id
        self._created = created
        self._model = model

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
    return deltas


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


class _Parts:
    """What the chunks of one choice add up to."""

    def __init__(self) -> None:
        self.content: list[str] = []
        self.reasoning: list[str] = []
        self.tool_calls: list[ToolCall] = []
        self.finish_reason: FinishReason = "stop"
        self.runs: list[Run] = []


def _put_together(chunks: list[ModelResponseChunk]) -> ModelResponse:
    if not chunks:
        raise ValueError("chunks is empty: a completion is made of at least one.")
    choices: dict[int, _Parts] = {}
    usage: Usage | None = None
    for chunk in chunks:
        usage = chunk.usage or usage
        for choice in chunk.choices:
            parts = choices.setdefault(choice.index, _Parts())
            delta = choice.delta
            if delta.content:
                parts.content.append(delta.content)
            if delta.reasoning_content:
                parts.reasoning.append(delta.reasoning_content)
            parts.tool_calls += [
                ToolCall(id=call.id, function=call.function) for call in delta.tool_calls or ()
            ]
            parts.finish_reason = choice.finish_reason or parts.finish_reason
            parts.runs += chunk.replicate or ()
    runs = [run for index in sorted(choices) for run in choices[index].runs]
    counted = [run.usage for run in runs if run.usage is not None]
    return ModelResponse(
        id=chunks[0].id,
        created=chunks[0].created,
        model=chunks[0].model,
        choices=[_choice(index, choices[index]) for index in sorted(choices)],
        usage=usage
        or (add(counted) if counted else Usage(prompt_tokens=0, completion_tokens=0, total_tokens=0)),
        replicate=runs,
    )


def _choice(index: int, parts: _Parts) -> Choice:
    content = "".join(parts.content)
    message = Message(
        role="assistant",
        content=None if parts.tool_calls and not content else content,
        reasoning_content="".join(parts.reasoning) or None,
        tool_calls=parts.tool_calls or None,
    )
    return Choice(index=index, message=message, finish_reason=parts.finish_reason)
