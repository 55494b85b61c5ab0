"""Models on Replicate as LlamaIndex's LLMs (`pip install 'areplicate[llamaindex]'`)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from llama_index.core.base.llms.generic_utils import (
    achat_to_completion_decorator,
    astream_chat_to_completion_decorator,
    chat_to_completion_decorator,
    stream_chat_to_completion_decorator,
)
from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseAsyncGen,
    ChatResponseGen,
    CompletionResponse,
    CompletionResponseAsyncGen,
    CompletionResponseGen,
    ImageBlock,
    LLMMetadata,
    MessageRole,
    TextBlock,
)
from llama_index.core.bridge.pydantic import Field
from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.llms.llm import ToolSelection
from llama_index.core.tools.types import BaseTool

from ..chat.apis.chat_arguments import as_text, call_of
from ..chat.chunks import stream_to_completion
from ..chat.responses import ModelResponse, ModelResponseChunk
from ..completion import acompletion, completion
from ..errors import BadRequestError
from . import STREAMED

_ROLES = {
    MessageRole.CHATBOT: "assistant",
    MessageRole.MODEL: "assistant",
    MessageRole.FUNCTION: "tool",
}
"""LlamaIndex's roles that OpenAI's API has by another name."""


class Areplicate(FunctionCallingLLM):
    """A model on Replicate, whole and streamed, with tools on any model. Errors are areplicate's."""

    model: str = Field(description="owner/name, owner/name:version or deployments/owner/name")
    api_key: str | None = Field(default=None, exclude=True, repr=False)
    api_base: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    timeout: float | None = Field(default=None, description="Seconds for one completion, cold boot included")
    context_window: int = 8192
    additional_kwargs: dict[str, Any] = Field(
        default_factory=dict, description="Other options of acompletion"
    )

    @classmethod
    def class_name(cls) -> str:
        return "areplicate"

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(
            context_window=self.context_window,
            num_output=self.max_tokens or -1,
            is_chat_model=True,
            is_function_calling_model=True,
            model_name=self.model,
        )

    @llm_chat_callback()
    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        return _response_of(completion(**self._request(messages, kwargs)))

    @llm_chat_callback()
    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        return _response_of(await acompletion(**self._request(messages, kwargs)))

    @llm_chat_callback()
    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        def pieces() -> ChatResponseGen:
            streamed = _Streamed()
            with completion(**self._request(messages, kwargs), **STREAMED) as stream:
                for chunk in stream:
                    yield streamed.with_piece(chunk)
            yield streamed.whole()

        return pieces()

    @llm_chat_callback()
    async def astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        async def pieces() -> ChatResponseAsyncGen:
            streamed = _Streamed()
            async with await acompletion(**self._request(messages, kwargs), **STREAMED) as stream:
                async for chunk in stream:
                    yield streamed.with_piece(chunk)
            yield streamed.whole()

        return pieces()

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        return chat_to_completion_decorator(self.chat)(prompt, **kwargs)

    @llm_completion_callback()
    async def acomplete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        return await achat_to_completion_decorator(self.achat)(prompt, **kwargs)

    @llm_completion_callback()
    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:
        return stream_chat_to_completion_decorator(self.stream_chat)(prompt, **kwargs)

    @llm_completion_callback()
    async def astream_complete(
        self, prompt: str, formatted: bool = False, **kwargs: Any
    ) -> CompletionResponseAsyncGen:
        return await astream_chat_to_completion_decorator(self.astream_chat)(prompt, **kwargs)

    def get_tool_calls_from_response(
        self, response: ChatResponse, error_on_no_tool_call: bool = True, **kwargs: Any
    ) -> list[ToolSelection]:
        calls = _calls_of(response)
        if not calls and error_on_no_tool_call:
            raise ValueError(f"The model called no tool. It said: {response.message.content!r:.200}")
        return [ToolSelection(tool_id=id, tool_name=name, tool_kwargs=given) for id, name, given in calls]

    def _prepare_chat_with_tools(
        self,
        tools: Sequence[BaseTool],
        user_msg: str | ChatMessage | None = None,
        chat_history: list[ChatMessage] | None = None,
        verbose: bool = False,
        allow_parallel_tool_calls: bool = False,
        tool_required: bool = False,
        **kwargs: Any,
    ) -> dict[str, Any]:
        asked = ChatMessage(role="user", content=user_msg) if isinstance(user_msg, str) else user_msg
        prepared: dict[str, Any] = {
            "messages": [*(chat_history or ()), *([asked] if asked else ())],
            **kwargs,
        }
        if tools:
            prepared["tools"] = [tool.metadata.to_openai_tool(skip_length_check=True) for tool in tools]
            prepared["tool_choice"] = kwargs.get("tool_choice") or ("required" if tool_required else "auto")
            prepared["parallel_tool_calls"] = allow_parallel_tool_calls
        return prepared

    def _request(self, messages: Sequence[ChatMessage], given: dict[str, Any]) -> dict[str, Any]:
        """The arguments of `acompletion`."""
        own = {name: getattr(self, name) for name in ("model", "api_key", "api_base", "timeout")}
        asked = {"temperature": self.temperature, "max_tokens": self.max_tokens}
        return {**own, **asked, **self.additional_kwargs, **given, "messages": _openai_messages(messages)}


def _openai_messages(messages: Sequence[ChatMessage]) -> list[dict[str, Any]]:
    """The conversation as OpenAI's API has it."""
    return [_message(message) for message in messages]


def _response_of(response: ModelResponse) -> ChatResponse:
    """A completion. Calls of tools are in the message's `additional_kwargs`, as OpenAI's API has them."""
    message = response.choices[0].message
    calls = [call.to_dict() for call in message.tool_calls or ()]
    return ChatResponse(
        message=ChatMessage(
            role=MessageRole.ASSISTANT,
            content=message.content or "",
            additional_kwargs={"tool_calls": calls} if calls else {},
        ),
        raw=response.to_dict(),
        additional_kwargs=response.usage.to_dict(),
    )


def _calls_of(response: ChatResponse) -> list[tuple[str, str, dict[str, Any]]]:
    """The id, the tool's name and the arguments of each call in an answer."""
    calls = response.message.additional_kwargs.get("tool_calls", ())
    return [
        (call["id"], call["function"]["name"], json.loads(call["function"]["arguments"] or "{}"))
        for call in calls
    ]


class _Streamed:
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
        response = _response_of(stream_to_completion(self._chunks))
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
