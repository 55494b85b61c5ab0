"""A completion's chunks, and the completion that they add up to."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from areplicate.chat.chunks import ChunkMaker, deltas_of, stream_to_completion
from areplicate.chat.responses import (
    Choice,
    Delta,
    FunctionCall,
    Message,
    ModelResponse,
    ModelResponseChunk,
    Run,
    ToolCall,
    ToolCallDelta,
    Usage,
)

USAGE = Usage(prompt_tokens=7, completion_tokens=3, total_tokens=10)
MORE = Usage(prompt_tokens=7, completion_tokens=4, total_tokens=11, estimated=True)
NOTHING = Usage(prompt_tokens=0, completion_tokens=0, total_tokens=0)
MAKER = ChunkMaker("p", 5, "a/b")
WEATHER = FunctionCall(name="weather", arguments="{}")


def call(index: int) -> ToolCall:
    return ToolCall(id=f"call_{index}", function=WEATHER)


def call_chunk(index: int) -> ModelResponseChunk:
    delta = ToolCallDelta(index=index, id=f"call_{index}", function=WEATHER)
    return MAKER.delta(0, Delta(tool_calls=[delta]))


def run(id: str, usage: Usage | None = None) -> list[Run]:
    return [Run(prediction_id=id, usage=usage)]


def one(chunks: list[ModelResponseChunk]) -> Choice:
    [choice] = stream_to_completion(chunks).choices
    return choice


def test_chunks_share_their_completion_s_id_time_and_model() -> None:
    maker = ChunkMaker("p", 5, "a/b")
    for chunk in (maker.delta(1, Delta(content="Hi"), "length", run("p")), maker.usage(USAGE)):
        assert (chunk.id, chunk.object, chunk.created, chunk.model) == (
            "p",
            "chat.completion.chunk",
            5,
            "a/b",
        )
    chunk = MAKER.delta(1, Delta(content="Hi"), "length", run("p"))
    [choice] = chunk.choices
    assert (choice.index, choice.delta.content, choice.finish_reason) == (1, "Hi", "length")
    assert chunk.replicate == run("p") and chunk.usage is None
    assert (MAKER.usage(USAGE).choices, MAKER.usage(USAGE).usage) == ([], USAGE)


def test_they_add_up_to_the_completion() -> None:
    made = stream_to_completion(
        [
            MAKER.delta(0, Delta(role="assistant", content="")),
            MAKER.delta(0, Delta(reasoning_content="H")),
            MAKER.delta(0, Delta(reasoning_content="m.")),
            MAKER.delta(0, Delta(content="Hel")),
            MAKER.delta(0, Delta(content="lo")),
            MAKER.delta(0, Delta(), "length", run("p", USAGE)),
        ]
    )
    assert made == ModelResponse(
        id="p",
        created=5,
        model="a/b",
        choices=[
            Choice(
                index=0,
                message=Message(role="assistant", content="Hello", reasoning_content="Hm."),
                finish_reason="length",
            )
        ],
        usage=USAGE,
        replicate=run("p", USAGE),
    )


def test_a_message_that_only_calls_tools_has_no_content() -> None:
    message = one([call_chunk(0), call_chunk(1)]).message
    assert (message.content, message.tool_calls) == (None, [call(0), call(1)])
    message = one([MAKER.delta(0, Delta(content="I look.")), call_chunk(0)]).message
    assert (message.content, message.tool_calls) == ("I look.", [call(0)])
    assert one([MAKER.delta(0, Delta())]).message == Message(role="assistant", content="")


def test_several_choices_are_told_apart() -> None:
    made = stream_to_completion(
        [
            MAKER.delta(1, Delta(content="Two"), "stop", run("b", MORE)),
            MAKER.delta(0, Delta(content="One"), "length", run("a", USAGE)),
        ]
    )
    assert [(each.index, each.message.content, each.finish_reason) for each in made.choices] == [
        (0, "One", "length"),
        (1, "Two", "stop"),
    ]
    assert [each.prediction_id for each in made.replicate] == ["a", "b"]
    assert made.usage == Usage(prompt_tokens=7, completion_tokens=7, total_tokens=14, estimated=True)


def test_the_usage_is_the_stream_s_own_where_it_tells_one() -> None:
    text = MAKER.delta(0, Delta(content="Hi"), "stop", run("a", MORE))
    assert stream_to_completion([text, MAKER.usage(USAGE)]).usage == USAGE
    assert stream_to_completion([MAKER.usage(USAGE), text]).usage == USAGE
    assert stream_to_completion([MAKER.delta(0, Delta(content="Hi"), "stop", run("a"))]).usage == NOTHING
    assert stream_to_completion([MAKER.delta(0, Delta(content="Hi"))]).usage == NOTHING


def test_a_stream_that_was_left_early_makes_a_completion_that_has_stopped() -> None:
    assert one([MAKER.delta(0, Delta(content="Hi"))]).finish_reason == "stop"


@pytest.mark.anyio
async def test_an_asynchronous_stream_adds_up_as_well() -> None:
    async def chunks() -> AsyncIterator[ModelResponseChunk]:
        yield MAKER.delta(0, Delta(content="Hel"))
        yield MAKER.delta(0, Delta(content="lo"), "stop")

    assert (await stream_to_completion(chunks())).choices[0].message.content == "Hello"


def test_no_chunk_is_no_completion() -> None:
    with pytest.raises(ValueError, match="^chunks is empty: a completion is made of at least one.$"):
        stream_to_completion([])


def test_a_whole_message_is_given_in_deltas() -> None:
    message = Message(role="assistant", content="Hi", reasoning_content="Hm.", tool_calls=[call(0), call(1)])
    deltas = deltas_of(message)
    assert [one([MAKER.delta(0, each) for each in deltas]).message] == [message]
    assert [each.index for delta in deltas for each in delta.tool_calls or ()] == [0, 1]
    assert one([MAKER.delta(0, each) for each in deltas_of(Message(role="assistant", content=None))]).message
