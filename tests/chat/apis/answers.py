"""A chat completion as the builders of other APIs' answers get it: whole, and in deltas."""

from __future__ import annotations

from areplicate.chat.responses import (
    Choice,
    Delta,
    FinishReason,
    FunctionCall,
    Message,
    ModelResponse,
    ToolCall,
    ToolCallDelta,
    Usage,
)

USAGE = Usage(prompt_tokens=7, completion_tokens=3, total_tokens=10)
WEATHER = FunctionCall(name="weather", arguments='{"city":"Rome"}')


def call(id: str = "call_1", function: FunctionCall = WEATHER) -> Delta:
    return Delta(tool_calls=[ToolCallDelta(index=0, id=id, function=function)])


def whole(finish_reason: FinishReason) -> ModelResponse:
    """Thoughts, text and a call, from another model than the one that was asked for."""
    message = Message(
        role="assistant",
        content="Hi",
        reasoning_content="Hm.",
        tool_calls=[ToolCall(id="call_1", function=WEATHER)],
    )
    choice = Choice(index=0, message=message, finish_reason=finish_reason)
    return ModelResponse(id="x", created=1, model="other/model", choices=[choice], usage=USAGE)
