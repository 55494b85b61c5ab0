"""An answer that is held to a contract, and asked for once more if it does not fit.

This is the one place above a single call. A call gives text; a contract's reader finds the tool calls or
the JSON in it that were asked for. If they do not fit, the model is asked once more with the reasons, in
the same conversation and within the same deadline. Both attempts count in `usage` and in `replicate`. A stream whose
text has come to a stop sequence is read no further, and its prediction is cancelled.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

import msgspec

from ..chat.chunks import message_of
from ..chat.contract import AnswerReader, Contract, ask_again
from ..chat.messages import InputMessage
from ..chat.responses import (
    Choice,
    ChunkChoice,
    Delta,
    FinishReason,
    ModelResponse,
    ModelResponseChunk,
    Run,
    Usage,
)
from ..chat.usage import add_attempt
from ..errors import AnswerMisfitError
from ..logs import logger
from .call import Call, answer
from .streams import CompletionStream

_replace = msgspec.structs.replace


class ContractCall(msgspec.Struct, frozen=True):
    """A call whose answer is held to a contract.

    Attributes:
        turns: the conversation that the call asks.
        prepare: gives a call like this one with another conversation.
    """

    call: Call
    contract: Contract
    turns: tuple[InputMessage, ...]
    prepare: Callable[[tuple[InputMessage, ...]], Awaitable[Call]]

    async def answer(self) -> ModelResponse | CompletionStream:
        """What the caller asked for, whole or streamed."""
        answered = await answer(self.call)
        if isinstance(answered, CompletionStream):
            return CompletionStream(_Reasked(self, answered))
        return await _whole(self, answered)


async def _whole(asked: ContractCall, response: ModelResponse) -> ModelResponse:
    usage, choices, runs = response.usage, [], []
    for choice, run in zip(response.choices, response.replicate, strict=True):
        fitting, again, reader = await _fitting(asked, choice, run)
        choices.append(fitting)
        runs += _reported(asked, [run, *(other.replicate[0] for other in again)], reader)
        for other in again:
            usage = add_attempt(usage, other.usage)
    return _replace(response, choices=choices, usage=usage, replicate=runs)


async def _fitting(
    asked: ContractCall, choice: Choice, run: Run
) -> tuple[Choice, list[ModelResponse], AnswerReader]:
    """The choice as its contract wants it, the second response if one was needed, and the last one's reader."""
    reader = asked.contract.reader(streamed=False)
    deltas = _read(reader, choice)
    if not reader.faults:
        return _choice(choice, deltas, reader.finish_reason(choice.finish_reason)), [], reader
    second = await answer(_replace(await _again(asked, reader), stream=False))
    assert isinstance(second, ModelResponse)
    reader = reader.again()
    corrected = _read(reader, second.choices[0])
    said_again = asked.contract.format is not None or any(delta.content for delta in corrected)
    kept = [delta for delta in deltas if delta.tool_calls or delta.function_call] if said_again else deltas
    deltas = [*kept, *corrected]
    if reader.faults:
        raise _misfit(asked, reader, [run, *second.replicate])
    return _choice(choice, deltas, reader.finish_reason(second.choices[0].finish_reason)), [second], reader


def _read(reader: AnswerReader, choice: Choice) -> list[Delta]:
    reader.think(choice.message.reasoning_content or "")
    return [*reader.feed(choice.message.content or ""), *reader.end(cut_off=choice.finish_reason == "length")]


def _choice(choice: Choice, deltas: list[Delta], finish_reason: FinishReason) -> Choice:
    message = message_of(deltas)
    message.reasoning_content = choice.message.reasoning_content or message.reasoning_content
    return _replace(choice, message=message, finish_reason=finish_reason)


class _Reasked:
    """The chunks of a stream, and of the second ones that were needed."""

    def __init__(self, asked: ContractCall, stream: CompletionStream) -> None:
        self._streams = [stream]
        self._chunks = _chunks(asked, self._streams)

    async def next(self) -> ModelResponseChunk | None:
        return await anext(self._chunks, None)

    def leave(self) -> None:
        for stream in self._streams:
            stream.leave()

    async def interrupt(self) -> None:
        for stream in self._streams:
            await stream.aclose()

    def cut(self) -> None:
        self._streams[-1].cut()

    def call_soon(self, do: Callable[[], object]) -> None:
        self._streams[0].call_soon(do)


async def _chunks(
    asked: ContractCall, inner: list[CompletionStream]
) -> AsyncGenerator[ModelResponseChunk, None]:
    """The chunks of the stream, with what fits the contract in place of the model's text."""
    extra: list[Usage] = []
    reader = asked.contract.reader(streamed=True)
    async for chunk in inner[0]:
        if not chunk.choices:  # the usage, after all choices
            for usage in extra:
                chunk = _replace(chunk, usage=add_attempt(chunk.usage or usage, usage))
            yield chunk
            continue
        choice = chunk.choices[0]
        for delta in _deltas(reader, choice, inner[0]):
            yield _with_delta(chunk, delta)
        if choice.finish_reason is None:
            continue
        runs = list(chunk.replicate or ())
        finish_reason = choice.finish_reason
        if reader.faults:
            inner.append(await _stream_again(asked, reader))
            reader = reader.again()
            async for second in inner[-1]:
                for delta in _deltas(reader, second.choices[0], inner[-1]):
                    yield _with_delta(chunk, delta)
                finish_reason = second.choices[0].finish_reason or finish_reason
                runs += second.replicate or ()
            extra += [run.usage for run in runs[1:] if run.usage is not None]
            if reader.faults:
                raise _misfit(asked, reader, runs)
        last = _with_delta(chunk, Delta(), reader.finish_reason(finish_reason))
        yield _replace(last, replicate=_reported(asked, runs, reader))
        reader = asked.contract.reader(streamed=True)


def _deltas(reader: AnswerReader, choice: ChunkChoice, stream: CompletionStream) -> list[Delta]:
    """What a chunk of the model's text adds to the answer, as far as it fits."""
    if choice.finish_reason is not None:
        return reader.end(cut_off=choice.finish_reason == "length")
    if not choice.delta.content:
        reader.think(choice.delta.reasoning_content or "")
        return [choice.delta]
    deltas = reader.feed(choice.delta.content)
    if reader.stopped_at is not None:
        stream.cut()
    return deltas


def _with_delta(
    chunk: ModelResponseChunk, delta: Delta, finish_reason: FinishReason | None = None
) -> ModelResponseChunk:
    choice = _replace(chunk.choices[0], delta=delta, finish_reason=finish_reason)
    return _replace(chunk, choices=[choice], replicate=None)


async def _stream_again(asked: ContractCall, reader: AnswerReader) -> CompletionStream:
    stream = await answer(_replace(await _again(asked, reader), stream=True))
    assert isinstance(stream, CompletionStream)
    return stream


async def _again(asked: ContractCall, reader: AnswerReader) -> Call:
    """The call that asks once more for an answer that did not fit."""
    logger.info(
        "%s is asked again, since its answer does not fit: %s", asked.call.question.model, reader.faults
    )
    call = await asked.prepare(ask_again(asked.turns, reader))
    return _replace(call, count=1, include_usage=False)


def _reported(asked: ContractCall, runs: Sequence[Run], reader: AnswerReader) -> list[Run]:
    """What the attempts at one answer took. The last one may have been ended at a stop sequence."""
    emulated = list(asked.contract.emulated) or None
    reported = [_replace(run, emulated=emulated) for run in runs]
    reported[-1].stop_sequence = reader.stopped_at
    return reported


def _misfit(asked: ContractCall, reader: AnswerReader, runs: Sequence[Run]) -> AnswerMisfitError:
    error = AnswerMisfitError(
        f"The model's answer does not fit what was asked for, nor did the one before: "
        f"{' '.join(reader.faults)}"
    )
    error.text = reader.text
    error.replicate = _reported(asked, runs, reader)
    error.about(asked.call.question.model, runs[-1].prediction_id)
    return error
