"""LangChain's messages as OpenAI's, and answers as LangChain's."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, convert_to_openai_messages
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import invalid_tool_call, tool_call, tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

from ..chat.responses import Message, ModelResponse, ModelResponseChunk, Usage


def openai_messages(messages: Sequence[BaseMessage]) -> list[dict[str, Any]]:
    """The conversation as OpenAI's API has it. What a model said is its text and its calls of tools: the other
    blocks of an answer (reasoning, calls once more) are for people."""
    said = [
        message.model_copy(update={"content": str(message.text)})
        if isinstance(message, AIMessage)
        else message
        for message in messages
    ]
    return convert_to_openai_messages(said)


def result_of(response: ModelResponse) -> ChatResult:
    """A completion: one generation for each choice."""
    about = {"model_name": response.model, "model_provider": "replicate", "id": response.id}
    generations = [
        ChatGeneration(
            message=_message(choice.message, about | {"finish_reason": choice.finish_reason}, response.usage),
            generation_info={"finish_reason": choice.finish_reason},
        )
        for choice in response.choices
    ]
    return ChatResult(
        generations=generations, llm_output={**about, "token_usage": response.usage.model_dump()}
    )


def chunk_of(piece: ModelResponseChunk) -> ChatGenerationChunk:
    """One piece of a stream. Metadata comes once: LangChain joins the texts of all chunks."""
    usage = _usage(piece.usage)
    if not piece.choices:
        return ChatGenerationChunk(message=AIMessageChunk(content="", usage_metadata=usage, id=piece.id))
    choice = piece.choices[0]
    delta = choice.delta
    calls = [
        tool_call_chunk(name=call.function.name, args=call.function.arguments, id=call.id, index=call.index)
        for call in delta.tool_calls or ()
    ]
    message = AIMessageChunk(
        content=delta.content or "",
        additional_kwargs=_reasoning(delta.reasoning_content),
        tool_call_chunks=calls,
        usage_metadata=usage,
        id=piece.id,
    )
    info: dict[str, Any] = {}
    if choice.finish_reason:
        info = {
            "finish_reason": choice.finish_reason,
            "model_name": piece.model,
            "model_provider": "replicate",
        }
    return ChatGenerationChunk(message=message, generation_info=info or None)


def _message(message: Message, about: dict[str, Any], usage: Usage) -> AIMessage:
    calls, invalid = [], []
    for call in message.tool_calls or ():
        name, arguments = call.function.name, call.function.arguments
        try:
            calls.append(tool_call(name=name, args=json.loads(arguments), id=call.id))
        except ValueError as error:
            invalid.append(invalid_tool_call(name=name, args=arguments, id=call.id, error=str(error)))
    return AIMessage(
        content=message.content or "",
        additional_kwargs=_reasoning(message.reasoning_content),
        tool_calls=calls,
        invalid_tool_calls=invalid,
        usage_metadata=_usage(usage),
        response_metadata=about,
    )


def _reasoning(text: str | None) -> dict[str, Any]:
    return {"reasoning_content": text} if text else {}


def _usage(usage: Usage | None) -> UsageMetadata | None:
    if usage is None:
        return None
    return UsageMetadata(
        input_tokens=usage.prompt_tokens,
        output_tokens=usage.completion_tokens,
        total_tokens=usage.total_tokens,
    )
