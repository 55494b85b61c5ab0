"""LlamaIndex's messages as OpenAI's, and answers as LlamaIndex's."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from llama_index.core.base.llms.types import ChatMessage, ChatResponse, ImageBlock, MessageRole, TextBlock

from ..chat.apis.chat_arguments import as_text, call_of
from ..chat.chunks import stream_to_completion
from ..chat.responses import ModelResponse, ModelResponseChunk
from ..errors import BadRequestError

_ROLES = {
    MessageRole.CHATBOT: "assistant",
    MessageRole.MODEL: "assistant",
    MessageRole.FUNCTION: "tool",
}
"""LlamaIndex's roles that OpenAI's API has by another name."""


def openai_messages(messages: Sequence[ChatMessage]) -> list[dict[str, Any]]:
    """The conversation as OpenAI's API has it."""
    return [_message(message) for message in messages]


def response_of(response: ModelResponse) -> ChatResponse:
    """A completion. Calls of tools are in the message's `additional_kwargs`, as OpenAI's API has them."""
    message = response.choices[0].message
    calls = [call.model_dump() for call in message.tool_calls or ()]
    return ChatResponse(
        message=ChatMessage(
            role=MessageRole.ASSISTANT,
            content=message.content or "",
            additional_kwargs={"tool_calls": calls} if calls else {},
        ),
        raw=response.model_dump(),
        additional_kwargs=response.usage.model_dump(),
    )


def calls_of(response: ChatResponse) -> list[tuple[str, str, dict[str, Any]]]:
    """The id, the tool's name and the arguments of each call in an answer."""
    calls = response.message.additional_kwargs.get("tool_calls", ())
    return [
        (call["id"], call["function"]["name"], json.loads(call["function"]["arguments"] or "{}"))
        for call in calls
    ]


class Streamed:
    """A stream's answer up to now, as LlamaIndex wants it with each piece."""

    def __init__(self) -> None:
        self._text = ""
        self._chunks: list[ModelResponseChunk] = []

    def with_piece(self, chunk: ModelResponseChunk) -> ChatResponse:
        self._chunks.append(chunk)
        delta = (chunk.choices[0].delta.content or "") if chunk.choices else ""
        self._text += delta
        message = ChatMessage(role=MessageRole.ASSISTANT, content=self._text)
        return ChatResponse(message=message, delta=delta, raw=chunk.model_dump(exclude_none=True))

    def whole(self) -> ChatResponse:
        """The last of a stream's answers: all of it, with calls of tools and usage."""
        response = response_of(stream_to_completion(self._chunks))
        response.delta = ""
        return response


def _message(message: ChatMessage) -> dict[str, Any]:
    kept = message.additional_kwargs
    calls = [*kept.get("tool_calls", ()), *(_call(each) for each in message.blocks if _is_call(each))]
    parts = [_part(block) for block in message.blocks if not _is_call(block)]
    only_text = all(part["type"] == "text" for part in parts)
    role = _ROLES.get(message.role, message.role.value)
    made: dict[str, Any] = {
        "role": role,
        "content": "\n".join(part["text"] for part in parts) if only_text else parts,
    }
    if calls:
        made["tool_calls"] = calls
    if role == "tool":
        made["tool_call_id"] = kept.get("tool_call_id")
    return made


def _part(block: Any) -> dict[str, Any]:
    if isinstance(block, TextBlock):
        return {"type": "text", "text": block.text}
    if isinstance(block, ImageBlock):
        if block.url:
            return {"type": "image_url", "image_url": {"url": str(block.url)}}
        content = block.resolve_image(as_base64=True).read().decode()
        url = f"data:{block.image_mimetype or 'image/png'};base64,{content}"
        return {"type": "image_url", "image_url": {"url": url}}
    raise BadRequestError(f"A message has a {type(block).__name__}: use TextBlock and ImageBlock only.")


def _is_call(block: Any) -> bool:
    return getattr(block, "block_type", None) == "tool_call"


def _call(block: Any) -> dict[str, Any]:
    return call_of(block.tool_call_id, block.tool_name, as_text(block.tool_kwargs))
