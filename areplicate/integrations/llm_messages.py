"""The conversations of `llm` as OpenAI's, and answers as its events."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import llm
from llm.parts import AttachmentPart, StreamEvent, TextPart, ToolCallPart, ToolResultPart

from ..chat.apis.chat_arguments import call_of
from ..chat.responses import Choice, ModelResponse, ModelResponseChunk


def openai_messages(messages: Iterable[Any]) -> list[dict[str, Any]]:
    """llm's messages as OpenAI's API has them."""
    return [made for message in messages for made in _made(message)]


def events_of(answer: ModelResponse | ModelResponseChunk, response: Any) -> Iterator[StreamEvent]:
    """What an answer or one piece of it says, as llm's events; calls and usage are noted in its response."""
    if answer.usage is not None:
        response.set_usage(input=answer.usage.prompt_tokens, output=answer.usage.completion_tokens)
    for choice in answer.choices[:1]:
        said: Any = choice.message if isinstance(choice, Choice) else choice.delta
        if said.reasoning_content:
            yield StreamEvent(type="reasoning", chunk=said.reasoning_content)
        if said.content:
            yield StreamEvent(type="text", chunk=said.content)
        for call in said.tool_calls or ():
            name, arguments = call.function.name, call.function.arguments
            response.add_tool_call(
                llm.ToolCall(tool_call_id=call.id, name=name, arguments=json.loads(arguments or "{}"))
            )
            yield StreamEvent(type="tool_call_name", chunk=name, tool_call_id=call.id)
            yield StreamEvent(type="tool_call_args", chunk=arguments, tool_call_id=call.id)


def _made(message: Any) -> Iterator[dict[str, Any]]:
    parts = message.parts
    if message.role == "tool":
        for part in parts:
            if isinstance(part, ToolResultPart):
                yield {"role": "tool", "tool_call_id": part.tool_call_id, "content": part.output}
        return
    text = "".join(part.text for part in parts if isinstance(part, TextPart))
    images = [_image(part.attachment) for part in parts if isinstance(part, AttachmentPart)]
    calls = [
        call_of(part.tool_call_id, part.name, json.dumps(part.arguments))
        for part in parts
        if isinstance(part, ToolCallPart)
    ]
    content = [{"type": "text", "text": text}, *images] if images else text
    if content or calls:
        yield {"role": message.role, "content": content or None, **({"tool_calls": calls} if calls else {})}


def _image(attachment: Any) -> dict[str, Any]:
    url = attachment.url or f"data:{attachment.resolve_type()};base64,{attachment.base64_content()}"
    return {"type": "image_url", "image_url": {"url": url}}
