"""areplicate as a provider inside LiteLLM (`pip install 'areplicate[litellm]'`).

    import litellm
    from areplicate.integrations.litellm import register

    register()
    await litellm.acompletion("areplicate/meta/meta-llama-3-8b-instruct", messages)

Errors reach LiteLLM with their status, and come out as LiteLLM's own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import litellm
from litellm.llms.custom_llm import CustomLLM
from litellm.types.utils import ModelResponse, ModelResponseStream
from litellm.utils import custom_llm_setup

from ..chat.responses import ModelResponseChunk, Usage
from ..completion import acompletion, completion
from . import STREAMED

PROVIDER = "areplicate"


def register() -> None:
    """Makes `areplicate/...` a model of LiteLLM's `completion`, `acompletion`, `Router` and proxy."""
    known = [item for item in litellm.custom_provider_map if item["provider"] != PROVIDER]
    litellm.custom_provider_map = [*known, {"provider": PROVIDER, "custom_handler": areplicate_llm}]
    custom_llm_setup()


class AreplicateLLM(CustomLLM):
    """What LiteLLM calls for the models of a provider: each method takes its usual arguments by name."""

    def completion(self, **call: Any) -> ModelResponse:
        return ModelResponse(**completion(**_request(call)).model_dump())

    async def acompletion(self, **call: Any) -> ModelResponse:
        return ModelResponse(**(await acompletion(**_request(call))).model_dump())

    def streaming(self, **call: Any) -> Iterator[Any]:
        with completion(**_request(call), **STREAMED) as stream:
            end = _End()
            for chunk in stream:
                yield from end.passed(chunk)
            yield end.last()

    async def astreaming(self, **call: Any) -> AsyncIterator[Any]:
        async with await acompletion(**_request(call), **STREAMED) as stream:
            end = _End()
            async for chunk in stream:
                for piece in end.passed(chunk):
                    yield piece
            yield end.last()


areplicate_llm = AreplicateLLM()
"""For `custom_handler: areplicate.integrations.litellm.areplicate_llm` in the configuration of LiteLLM's proxy."""


class _End:
    """Keeps back why a stream ended until its usage is known: LiteLLM reads nothing after the reason."""

    def __init__(self) -> None:
        self._reason = "stop"
        self._usage: Usage | None = None

    def passed(self, chunk: ModelResponseChunk) -> Iterator[ModelResponseStream]:
        self._usage = chunk.usage or self._usage
        for choice in chunk.choices:
            self._reason = choice.finish_reason or self._reason
            choice.finish_reason = None
        if chunk.choices:
            yield ModelResponseStream(**chunk.model_dump(exclude_none=True))

    def last(self) -> dict[str, Any]:
        """LiteLLM's `GenericStreamingChunk`."""
        usage = self._usage.to_dict() if self._usage else None
        return {
            "text": "",
            "is_finished": True,
            "finish_reason": self._reason,
            "usage": usage,
            "index": 0,
            "tool_use": None,
        }


def _request(call: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of areplicate's `acompletion` in those that LiteLLM calls a provider with."""
    request = {name: value for name, value in call["optional_params"].items() if name not in STREAMED}
    timeout = call.get("timeout")
    return {
        **request,
        "model": call["model"],
        "messages": call["messages"],
        "api_key": call.get("api_key"),
        "api_base": call.get("api_base"),
        "timeout": timeout if isinstance(timeout, int | float) else None,
        "extra_headers": call.get("headers") or None,
    }
