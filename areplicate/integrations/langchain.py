"""`ChatAreplicate`: models on Replicate as LangChain's chat models (`pip install 'areplicate[langchain]'`)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, TypeAlias

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import LanguageModelInput
from langchain_core.language_models.chat_models import BaseChatModel, LangSmithParams
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.utils.utils import secret_from_env
from pydantic import ConfigDict, Field, SecretStr

from ..completion import acompletion, completion
from ..options.values import KEY_VARIABLES
from . import STREAMED
from .langchain_bindings import Tool, form_options, tool_options, with_raw
from .langchain_messages import chunk_of, openai_messages, result_of

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
            "messages": openai_messages(messages),
        }
        if stop is not None:
            request["stop"] = stop
        request.pop("ls_structured_output_format", None)  # said to tracers, not to the model
        return request

    def _generate(
        self, messages: _Messages, stop: _Stop = None, run_manager: _Run = None, **kwargs: Any
    ) -> ChatResult:
        return result_of(completion(**self._request(messages, stop, kwargs)))

    async def _agenerate(
        self, messages: _Messages, stop: _Stop = None, run_manager: _AsyncRun = None, **kwargs: Any
    ) -> ChatResult:
        return result_of(await acompletion(**self._request(messages, stop, kwargs)))

    def _stream(
        self, messages: _Messages, stop: _Stop = None, run_manager: _Run = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        request = self._request(messages, stop, kwargs)
        with completion(**request, **STREAMED) as stream:
            for piece in stream:
                chunk = chunk_of(piece)
                if run_manager:
                    run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                yield chunk

    async def _astream(
        self, messages: _Messages, stop: _Stop = None, run_manager: _AsyncRun = None, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        request = self._request(messages, stop, kwargs)
        async with await acompletion(**request, **STREAMED) as stream:
            async for piece in stream:
                chunk = chunk_of(piece)
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
        return super().bind(**tool_options(tools, tool_choice, strict), **kwargs)

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
        options, parser = form_options(schema, method, strict)
        model = self.bind(**options, **kwargs)
        return with_raw(model, parser) if include_raw else model | parser
