"""The names that LiteLLM's users import: with `import areplicate as litellm` they do what they do there."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from inspect import signature
from typing import Any

import msgspec

from ..calls.streams import CompletionStream
from ..chat.chunks import stream_to_completion
from ..chat.embeddings import EmbeddingResponse
from ..chat.messages import read_messages
from ..chat.params import INFORMATIONAL, OWN, PARAMS
from ..chat.plan import plan_for
from ..chat.responses import ModelResponse, ModelResponseChunk
from ..chat.usage import characters, estimate
from ..completion import LoopRouters, SyncCompletionStream, acompletion, sync, typed_sync
from ..errors import APIError, BadRequestError
from ..logs import warn
from ..options.access import KEY_VARIABLES, from_environment
from ..options.values import checked_whole
from ..portal import run
from ..router import AsyncRouter, typed
from ..schema_lookup.endpoint import endpoint_of
from ..schema_lookup.store import SchemaStore

_REFUSED = {
    **dict.fromkeys(
        ("default_fallbacks", "context_window_fallbacks", "content_policy_fallbacks"),
        'fallbacks=[{"name": ["other"]}] steps in whatever an entry fails with',
    ),
    "model_group_alias": "give model_list an entry of that model_name",
    **dict.fromkeys(
        ("retry_policy", "model_group_retry_policy", "allowed_fails_policy"),
        "num_retries and allowed_fails are the same for all errors",
    ),
    "provider_budget_config": "the gateway has budgets for each key",
}
"""Options of LiteLLM's `Router` whose absence would change which model answers, with what to do instead."""
_WITHOUT_EFFECT = (
    "routing_strategy routing_strategy_args optional_pre_call_checks enable_pre_call_checks redis_url redis_host "
    "redis_port redis_password redis_db polling_interval cache_responses cache_kwargs caching_groups client_ttl "
    "alerting_config debug_level retry_after stream_timeout max_fallbacks default_priority "
    "default_max_parallel_requests enable_tag_filtering disable_cooldowns router_general_settings "
    "ignore_invalid_deployments"
)
"""Those that are left out with a warning, as the same options of a call and of a configuration are."""


class Router:
    """`AsyncRouter` as LiteLLM's `Router` is called: with its names, from any event loop and from scripts.

    Args:
        model_list, fallbacks, allowed_fails, cooldown_time: as `AsyncRouter` takes them.
        num_retries: `AsyncRouter`'s `max_retries`.
        timeout: seconds for one completion.
        default_litellm_params: options of every call.
        options: what else `AsyncRouter` takes. Options of LiteLLM's that would only tune its router are left out with
            a warning.

    Raises:
        BadRequestError: an option that is not known, or without which other models would answer.
    """

    def __init__(
        self,
        model_list: Iterable[Mapping[str, Any]] | None = None,
        *,
        num_retries: int | None = None,
        default_litellm_params: Mapping[str, Any] | None = None,
        set_verbose: bool = False,
        **options: Any,
    ) -> None:
        import areplicate

        if set_verbose:
            areplicate.set_verbose = True
        self._defaults = dict(default_litellm_params or {})
        for name in sorted(options.keys() - signature(AsyncRouter).parameters.keys()):
            if name not in _WITHOUT_EFFECT.split():
                raise BadRequestError(f"Router has no option {name}{_instead(name)}.", param=name)
            if options.pop(name) is not None:
                warn(f"{name} has no effect here and is left out: areplicate's Router has no such option.")
        make = partial(AsyncRouter, **{"model_list": model_list, "max_retries": num_retries, **options})
        make()  # raises what is wrong here, and not with the first call
        self._routers = LoopRouters(make)

    @typed
    async def acompletion(
        self, /, model: str, messages: Sequence[Any], **params: Any
    ) -> ModelResponse | CompletionStream:
        """`AsyncRouter.acompletion`."""
        return await self._routers.here().acompletion(model, messages, **{**self._defaults, **params})

    @typed_sync
    def completion(
        self, /, model: str, messages: Sequence[Any], **params: Any
    ) -> ModelResponse | SyncCompletionStream:
        """`acompletion` for code that is not async."""
        return sync(run(lambda: self.acompletion(model, messages, **params)))

    async def aembedding(self, /, model: str, input: str | Sequence[str], **params: Any) -> EmbeddingResponse:
        return await self._routers.here().aembedding(model, input, **params)

    def embedding(self, /, model: str, input: str | Sequence[str], **params: Any) -> EmbeddingResponse:
        return run(lambda: self.aembedding(model, input, **params))


def _instead(name: str) -> str:
    return f": {_REFUSED[name]}" if name in _REFUSED else ""


async def abatch_completion(
    model: str, messages: Sequence[Sequence[Any]], max_workers: int | None = None, **params: Any
) -> list[ModelResponse | APIError]:
    """The answers to several conversations at once, in their order; one that failed is its error.

    For thousands of them, `AsyncRouter.map` gives each as it comes.

    Args:
        max_workers: the most that are asked at a time; None for all.
    """
    most = len(messages) if max_workers is None else checked_whole("max_workers", max_workers, least=1)
    room = asyncio.Semaphore(most)

    async def one(conversation: Sequence[Any]) -> ModelResponse | APIError:
        async with room:
            try:
                return await acompletion(model, conversation, **params)
            except APIError as error:
                return error

    return list(await asyncio.gather(*(one(conversation) for conversation in messages)))


def batch_completion(
    model: str, messages: Sequence[Sequence[Any]], max_workers: int | None = None, **params: Any
) -> list[ModelResponse | APIError]:
    """`abatch_completion` for code that is not async."""
    return run(lambda: abatch_completion(model, messages, max_workers, **params))


def stream_chunk_builder(
    chunks: Iterable[ModelResponseChunk | Mapping[str, Any]], messages: Sequence[Any] | None = None, **_: Any
) -> ModelResponse:
    """The completion that a stream's chunks make up; `stream_to_completion` does the same."""
    return stream_to_completion([ModelResponseChunk.model_validate(chunk) for chunk in chunks])


def completion_cost(
    completion_response: ModelResponse | Mapping[str, Any] | None = None,
    model: str | None = None,
    prompt: str = "",
    messages: Sequence[Any] = (),
    completion: str = "",
    **unused: Any,
) -> float:
    """What an answer cost in US dollars, by Replicate's published prices for tokens.

    Args:
        completion_response: the answer, or its `model_dump()`.
        prompt, messages, completion: texts instead of an answer; their tokens are estimated.

    Raises:
        BadRequestError: there is neither an answer nor a model; or Replicate has not published a price per token for
            the model.
    """
    from ..gateway.config.prices import built_in, published_price

    answer = None if completion_response is None else ModelResponse.model_validate(completion_response)
    name = model or (answer.model if answer is not None else "")
    if not name:
        raise BadRequestError("completion_cost needs an answer, or model= with prompt= and completion=.")
    price = published_price(name, built_in())
    if price is None:
        raise BadRequestError(
            f"Replicate has not published a price per token for {name}: such models are paid by the second, "
            "see response.replicate[0].predict_s.",
            model=name,
        )
    if answer is not None:
        return sum(price.of_run(run) for run in answer.replicate)
    asked = len(prompt) + _length(messages)
    return price.of_tokens(estimate(asked), estimate(len(completion)))


def token_counter(
    model: str = "",
    custom_tokenizer: Any = None,
    text: str | list[str] | None = None,
    messages: Sequence[Any] | None = None,
    tools: Sequence[Mapping[str, Any]] | None = None,
    **_: Any,
) -> int:
    """About how many tokens a text, or a conversation with its tools, has: a token is four characters.

    An estimate: the models' tokenizers are not here. `response.usage` has the model's own count.
    """
    warn(
        "token_counter estimates one token for every four characters. response.usage has the model's own count."
    )
    texts = [text] if isinstance(text, str) else list(text or ())
    told = len(msgspec.json.encode(tools)) if tools else 0
    return estimate(sum(map(len, texts)) + _length(messages or ()) + told)


def _length(messages: Sequence[Any]) -> int:
    """Characters of a conversation and of the calls in it."""
    turns = read_messages(messages) if messages else ()
    return sum(len(turn.text) + characters([call["function"] for call in turn.tool_calls]) for turn in turns)


def get_supported_openai_params(model: str, **_: Any) -> list[str]:
    """OpenAI's parameters that the model has an input for, as far as the catalogue knows it."""
    plan = plan_for(SchemaStore().known(endpoint_of(model)), model)
    return sorted({"stream", "n", *OWN, *INFORMATIONAL, *(name for name in PARAMS if plan.targets[name])})


def validate_environment(model: str | None = None, **_: Any) -> dict[str, Any]:
    """Whether the environment has a key, in LiteLLM's form."""
    there = from_environment(*KEY_VARIABLES) is not None
    return {"keys_in_environment": there, "missing_keys": [] if there else [KEY_VARIABLES[0]]}
