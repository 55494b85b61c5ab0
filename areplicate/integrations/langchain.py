"""`ChatAreplicate`: models on Replicate as LangChain's chat models (`pip install 'areplicate[langchain]'`)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from operator import itemgetter
from typing import Any, TypeAlias

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import LanguageModelInput
from langchain_core.language_models.chat_models import BaseChatModel, LangSmithParams
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, convert_to_openai_messages
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import tool_call, tool_call_chunk
from langchain_core.output_parsers import JsonOutputParser, PydanticOutputParser
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable, RunnableMap, RunnablePassthrough
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_json_schema, convert_to_openai_tool
from langchain_core.utils.pydantic import is_basemodel_subclass
from langchain_core.utils.utils import secret_from_env
from pydantic import ConfigDict, Field, SecretStr

from ..chat.responses import Message, ModelResponse, ModelResponseChunk, Usage
from ..completion import acompletion, completion
from ..options.access import KEY_VARIABLES
from . import STREAMED

Tool: TypeAlias = "dict[str, Any] | type | Callable[..., Any] | BaseTool"
_Messages: TypeAlias = list[BaseMessage]
_Run: TypeAlias = "CallbackManagerForLLMRun | None"
_AsyncRun: TypeAlias = "AsyncCallbackManagerForLLMRun | None"
_Stop: TypeAlias = "list[str] | None"


class ChatAreplicate(BaseChatModel):
    """A model on Replicate. Its fields are options of `areplicate.acompletion`; what else that takes goes into
    `model_kwargs`, or into `bind(...)` and `invoke(...)`. Errors are areplicate's."""

    model: str  # `owner/name`, `owner/name:version` or `deployments/owner/name`
    api_key: SecretStr | None = Field(default_factory=secret_from_env(KEY_VARIABLES, default=None))
    api_base: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    stop: list[str] | None = None
    timeout: float | None = None  # seconds for one completion, cold boot included
    max_retries: int | None = None
    streaming: bool = False
    model_kwargs: dict[str, Any] = Field(default_factory=dict)

    model_config = ConfigDict(protected_namespaces=())

    @property
    def _llm_type(self) -> str:
        return "areplicate"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        options: dict[str, Any] = self.model_dump(
            include={"model", "api_base", "temperature", "max_tokens", "stop"}, exclude_none=True
        )
        return {**options, **self.model_kwargs}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop or self.stop, **kwargs)
        params["ls_provider"] = "replicate"
        return params

    def _request(
        self, messages: list[BaseMessage], stop: list[str] | None, given: dict[str, Any]
    ) -> dict[str, Any]:
        """The arguments of `acompletion`."""
        request = {
            **self._identifying_params,
            "api_key": self.api_key.get_secret_value() if self.api_key else None,
            "timeout": self.timeout,
            "num_retries": self.max_retries,
            **given,
            "messages": _openai_messages(messages),
        }
        if stop is not None:
            request["stop"] = stop
        request.pop("ls_structured_output_format", None)  # said to tracers, not to the model
        return request

    def _generate(
        self, messages: _Messages, stop: _Stop = None, run_manager: _Run = None, **kwargs: Any
    ) -> ChatResult:
        return _result_of(completion(**self._request(messages, stop, kwargs)))

    async def _agenerate(
        self, messages: _Messages, stop: _Stop = None, run_manager: _AsyncRun = None, **kwargs: Any
    ) -> ChatResult:
        return _result_of(await acompletion(**self._request(messages, stop, kwargs)))

    def _stream(
        self, messages: _Messages, stop: _Stop = None, run_manager: _Run = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        request = self._request(messages, stop, kwargs)
        with completion(**request, **STREAMED) as stream:
            for piece in stream:
                chunk = _chunk_of(piece)
                if run_manager:
                    run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                yield chunk

    async def _astream(
        self, messages: _Messages, stop: _Stop = None, run_manager: _AsyncRun = None, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        request = self._request(messages, stop, kwargs)
        async with await acompletion(**request, **STREAMED) as stream:
            async for piece in stream:
                chunk = _chunk_of(piece)
                if run_manager:
                    await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                yield chunk

    def bind_tools(
        self,
        tools: Sequence[Tool],
        *,
        tool_choice: str | dict[str, Any] | bool | None = None,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """The model with tools that it may call, whether or not the model itself knows of tools.

        Args:
            tool_choice: "any" (or True) for one of them, a tool's name, or what OpenAI takes.
        """
        described = [convert_to_openai_tool(tool, strict=strict) for tool in tools]
        if tool_choice in ("any", True):
            tool_choice = "required"
        elif tool_choice in [tool["function"]["name"] for tool in described]:
            tool_choice = {"type": "function", "function": {"name": tool_choice}}
        choice = {"tool_choice": tool_choice} if tool_choice else {}
        return super().bind(tools=described, **choice, **kwargs)

    def with_structured_output(
        self,
        schema: dict[str, Any] | type,
        *,
        include_raw: bool = False,
        method: str = "json_schema",
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, Any]:
        """The model with answers of one form: an object of a pydantic class, else a dictionary.

        Args:
            method: "json_schema" and "json_mode" take it from the answer's text, "function_calling" from the
                call of a tool. On a model that supports neither, areplicate checks the answer and asks once
                more if it does not fit.
        """
        if method == "function_calling":
            return super().with_structured_output(schema, include_raw=include_raw, **kwargs)
        options, parser = _form_options(schema, method, strict)
        model = self.bind(**options, **kwargs)
        return _with_raw(model, parser) if include_raw else model | parser


def _openai_messages(messages: Sequence[BaseMessage]) -> list[dict[str, Any]]:
    """The conversation as OpenAI's API has it. What a model said is its text and its calls of tools: the other
    blocks of an answer (reasoning, calls once more) are for people."""
    said = [
        message.model_copy(update={"content": str(message.text)})
        if isinstance(message, AIMessage)
        else message
        for message in messages
    ]
    return convert_to_openai_messages(said)


def _result_of(response: ModelResponse) -> ChatResult:
    """A completion: one generation for each choice."""
    about = {"model_name": response.model, "model_provider": "replicate", "id": response.id}
    generations = [
        ChatGeneration(
            message=_message(choice.message, about | {"finish_reason": choice.finish_reason}, response.usage),
            generation_info={"finish_reason": choice.finish_reason},
        )
        for choice in response.choices
    ]
    return ChatResult(generations=generations, llm_output={**about, "token_usage": response.usage.to_dict()})


def _chunk_of(piece: ModelResponseChunk) -> ChatGenerationChunk:
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
    calls = [
        tool_call(name=call.function.name, args=json.loads(call.function.arguments), id=call.id)
        for call in message.tool_calls or ()
    ]
    return AIMessage(
        content=message.content or "",
        additional_kwargs=_reasoning(message.reasoning_content),
        tool_calls=calls,
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


def _form_options(
    schema: dict[str, Any] | type, method: str, strict: bool | None
) -> tuple[dict[str, Any], Runnable[Any, Any]]:
    """`response_format` for structured answers, and their parser; tracers get the schema, too."""
    json_schema = convert_to_json_schema(schema)
    response_format: dict[str, Any] = {"type": "json_object"}
    if method == "json_schema":
        form = {"name": json_schema.get("title", "answer"), "schema": json_schema, "strict": strict}
        response_format = {"type": "json_schema", "json_schema": form}
    is_class = isinstance(schema, type) and is_basemodel_subclass(schema)
    parser = PydanticOutputParser(pydantic_object=schema) if is_class else JsonOutputParser()
    output_format = {"kwargs": {"method": method}, "schema": json_schema}
    return {"response_format": response_format, "ls_structured_output_format": output_format}, parser


def _with_raw(model: Runnable[Any, Any], parser: Runnable[Any, Any]) -> Runnable[Any, Any]:
    """What a model says as `raw`, with `parsed` or `parsing_error`."""
    parsed = RunnablePassthrough.assign(parsed=itemgetter("raw") | parser, parsing_error=lambda _: None)
    failed = RunnablePassthrough.assign(parsed=lambda _: None)
    return RunnableMap(raw=model) | parsed.with_fallbacks([failed], exception_key="parsing_error")
