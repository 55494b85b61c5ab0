"""The types of a call, for editors and type checkers. Written by scripts/build_options.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol, TypeVar, overload

from ..chat.responses import ModelResponse
from ..replicate.progress import Status
from ..replicate.transports.proxies import TLS
from .values import Seconds

Whole = TypeVar("Whole", covariant=True)
Chunks = TypeVar("Chunks", covariant=True)
Either = TypeVar("Either", covariant=True)


class CompletionFunction(Protocol[Whole, Chunks, Either]):
    """A function that answers a conversation: whole, in chunks, or either where `stream` is not known."""

    @overload
    def __call__(
        self,
        model: str,
        messages: Sequence[Any],
        *,
        stream: Literal[False] | None = None,
        stream_options: Mapping[str, Any] | None = None,
        n: int | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
        max_tokens: int | None = None,
        max_completion_tokens: int | None = None,
        stop: str | Sequence[str] | None = None,
        seed: int | None = None,
        presence_penalty: float | None = None,
        frequency_penalty: float | None = None,
        logit_bias: Mapping[str, float] | None = None,
        logprobs: bool | None = None,
        top_logprobs: int | None = None,
        response_format: Mapping[str, Any] | type[Any] | None = None,
        tools: Sequence[Mapping[str, Any]] | None = None,
        tool_choice: str | Mapping[str, Any] | None = None,
        parallel_tool_calls: bool | None = None,
        functions: Sequence[Mapping[str, Any]] | None = None,
        function_call: str | Mapping[str, Any] | None = None,
        reasoning_effort: str | None = None,
        verbosity: str | None = None,
        modalities: Sequence[str] | None = None,
        audio: Mapping[str, Any] | None = None,
        prediction: Mapping[str, Any] | None = None,
        web_search_options: Mapping[str, Any] | None = None,
        moderation: Mapping[str, Any] | None = None,
        user: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        store: bool | None = None,
        service_tier: str | None = None,
        safety_identifier: str | None = None,
        prompt_cache_key: str | None = None,
        prompt_cache_retention: str | None = None,
        prompt_cache_options: Mapping[str, Any] | None = None,
        timeout: Seconds | None = None,
        num_retries: int | None = None,
        drop_params: bool | None = None,
        emulate: bool | None = None,
        fallbacks: Sequence[str | Mapping[str, Any]] | None = None,
        mock_response: str | Exception | ModelResponse | Mapping[str, Any] | None = None,
        additional_drop_params: Sequence[str] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_body: Mapping[str, Any] | None = None,
        api_key: str | None = None,
        api_base: str | None = None,
        default_headers: Mapping[str, str] | None = None,
        proxy: str | None = None,
        ssl: TLS | None = None,
        on_status: Callable[[Status], Any] | None = None,
        supports_system_prompt: bool | None = None,
        roles: Mapping[str, Mapping[str, str]] | None = None,
        initial_prompt_value: str | None = None,
        final_prompt_value: str | None = None,
        bos_token: str | None = None,
        eos_token: str | None = None,
        **inputs: Any,
    ) -> Whole:
        """Args:
            model: Such as `meta/meta-llama-3-8b-instruct`, `owner/name:version` or `deployments/owner/name`, with or without `replicate/` in front; or a name of the router's `model_list`.
            messages: As OpenAI takes them.
            stream: True gives chunks, each as soon as it is written. By default False.
            stream_options: `{"include_usage": True}` adds a last chunk with the token counts.
            n: How many answers; each is a prediction of its own. By default 1.
            temperature: How random the text is; 0 gives the likeliest.
            top_p: Only the likeliest tokens are chosen from, up to this share.
            max_tokens: Tokens of the answer at most.
            max_completion_tokens: The newer name of `max_tokens`.
            stop: The answer ends before the first of these texts, whether the model has an input for them or not.
            seed: Makes the answer repeatable, as far as the model can.
            presence_penalty: Above 0, tokens that were used are less likely.
            frequency_penalty: Above 0, tokens are less likely the more often they were used.
            logit_bias: What to add to the likelihood of single tokens.
            logprobs: Whether to give the likelihoods of tokens.
            top_logprobs: For how many tokens at each place.
            response_format: The form of the answer, such as a JSON schema.
            tools: The functions that the model may call.
            tool_choice: `"auto"`, `"none"`, `"required"`, or one function.
            parallel_tool_calls: Whether several functions may be called at once.
            functions: The older form of `tools`.
            function_call: The older form of `tool_choice`.
            reasoning_effort: How long the model thinks, such as `low` or `high`.
            verbosity: How long the answer is: `low`, `medium` or `high`.
            modalities: What the answer is made of: `text`, `audio`.
            audio: The voice and the format of a spoken answer.
            prediction: A text that the answer is expected to repeat in large part.
            web_search_options: How the model searches the web.
            moderation: What OpenAI checks in the conversation.
            user: An id of the end user, for OpenAI. It changes no answer.
            metadata: As `user`: it changes no answer.
            store: As `user`: it changes no answer.
            service_tier: As `user`: it changes no answer.
            safety_identifier: As `user`: it changes no answer.
            prompt_cache_key: As `user`: it changes no answer.
            prompt_cache_retention: As `user`: it changes no answer.
            prompt_cache_options: As `user`: it changes no answer.
            timeout: Seconds for the whole completion: queue, cold boot and answer; also as a timedelta, or as httpx or aiohttp have it. By default the router's: 1800.
            num_retries: How often one HTTP request is tried again if that is safe. By default the router's.
            drop_params: Leave out what the model has no input for and move numbers into its bounds, instead of an error. By default False.
            emulate: False makes tools, formats and stop sequences that the model has no input for an error, instead of explaining them in words and cutting the answer at the sequences. By default True.
            fallbacks: Models to ask if this one fails, in order: names, or mappings as `{"model": ..., "top_k": 5}`. By default the router's.
            mock_response: The answer, or the error to raise: nothing is sent and nothing costs, for tests.
            additional_drop_params: Names of parameters that are left out of this call, whatever the model takes.
            extra_headers: HTTP headers for the request that creates the prediction.
            extra_body: Inputs that are sent to the model whatever its schema says, even if a name is an option here.
            api_key: The Replicate API token for this call. By default the router's, else `REPLICATE_API_KEY` or `REPLICATE_API_TOKEN`.
            api_base: Where the API is, such as `https://api.replicate.com/v1`. By default the router's, else `REPLICATE_API_BASE` or `REPLICATE_BASE_URL`, else Replicate.
            default_headers: HTTP headers for every request to the API's base: creation, polls, cancel, upload, stream. By default the router's.
            proxy: The proxy to go through, such as `http://user:password@host:3128` or `socks5://host`; empty for none. By default the router's, else the environment's.
            ssl: Certificates to trust: an SSLContext, the path of a file or folder, or False for any. By default the router's, else the platform's own.
            on_status: Called with a `Status` at each phase.
            supports_system_prompt: True sends the system text in an input of its own, False in the prompt. By default what the model's schema says.
            roles: A prompt template: what stands around each role.
            initial_prompt_value: A prompt template: the text at its beginning.
            final_prompt_value: A prompt template: the text before the answer.
            bos_token: A prompt template: the token before each turn.
            eos_token: A prompt template: the token after each answer.
            inputs: The model's own inputs, such as `top_k`, which are sent under their names.

        Raises:
            APIError: one of its subclasses, for whatever goes wrong. Whatever ends the call, also its being cancelled, the prediction is cancelled with it."""

    @overload
    def __call__(
        self,
        model: str,
        messages: Sequence[Any],
        *,
        stream: Literal[True],
        stream_options: Mapping[str, Any] | None = None,
        n: int | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
        max_tokens: int | None = None,
        max_completion_tokens: int | None = None,
        stop: str | Sequence[str] | None = None,
        seed: int | None = None,
        presence_penalty: float | None = None,
        frequency_penalty: float | None = None,
        logit_bias: Mapping[str, float] | None = None,
        logprobs: bool | None = None,
        top_logprobs: int | None = None,
        response_format: Mapping[str, Any] | type[Any] | None = None,
        tools: Sequence[Mapping[str, Any]] | None = None,
        tool_choice: str | Mapping[str, Any] | None = None,
        parallel_tool_calls: bool | None = None,
        functions: Sequence[Mapping[str, Any]] | None = None,
        function_call: str | Mapping[str, Any] | None = None,
        reasoning_effort: str | None = None,
        verbosity: str | None = None,
        modalities: Sequence[str] | None = None,
        audio: Mapping[str, Any] | None = None,
        prediction: Mapping[str, Any] | None = None,
        web_search_options: Mapping[str, Any] | None = None,
        moderation: Mapping[str, Any] | None = None,
        user: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        store: bool | None = None,
        service_tier: str | None = None,
        safety_identifier: str | None = None,
        prompt_cache_key: str | None = None,
        prompt_cache_retention: str | None = None,
        prompt_cache_options: Mapping[str, Any] | None = None,
        timeout: Seconds | None = None,
        num_retries: int | None = None,
        drop_params: bool | None = None,
        emulate: bool | None = None,
        fallbacks: Sequence[str | Mapping[str, Any]] | None = None,
        mock_response: str | Exception | ModelResponse | Mapping[str, Any] | None = None,
        additional_drop_params: Sequence[str] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_body: Mapping[str, Any] | None = None,
        api_key: str | None = None,
        api_base: str | None = None,
        default_headers: Mapping[str, str] | None = None,
        proxy: str | None = None,
        ssl: TLS | None = None,
        on_status: Callable[[Status], Any] | None = None,
        supports_system_prompt: bool | None = None,
        roles: Mapping[str, Mapping[str, str]] | None = None,
        initial_prompt_value: str | None = None,
        final_prompt_value: str | None = None,
        bos_token: str | None = None,
        eos_token: str | None = None,
        **inputs: Any,
    ) -> Chunks:
        """The answer in chunks."""

    @overload
    def __call__(
        self,
        model: str,
        messages: Sequence[Any],
        *,
        stream: bool | None,
        stream_options: Mapping[str, Any] | None = None,
        n: int | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
        max_tokens: int | None = None,
        max_completion_tokens: int | None = None,
        stop: str | Sequence[str] | None = None,
        seed: int | None = None,
        presence_penalty: float | None = None,
        frequency_penalty: float | None = None,
        logit_bias: Mapping[str, float] | None = None,
        logprobs: bool | None = None,
        top_logprobs: int | None = None,
        response_format: Mapping[str, Any] | type[Any] | None = None,
        tools: Sequence[Mapping[str, Any]] | None = None,
        tool_choice: str | Mapping[str, Any] | None = None,
        parallel_tool_calls: bool | None = None,
        functions: Sequence[Mapping[str, Any]] | None = None,
        function_call: str | Mapping[str, Any] | None = None,
        reasoning_effort: str | None = None,
        verbosity: str | None = None,
        modalities: Sequence[str] | None = None,
        audio: Mapping[str, Any] | None = None,
        prediction: Mapping[str, Any] | None = None,
        web_search_options: Mapping[str, Any] | None = None,
        moderation: Mapping[str, Any] | None = None,
        user: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        store: bool | None = None,
        service_tier: str | None = None,
        safety_identifier: str | None = None,
        prompt_cache_key: str | None = None,
        prompt_cache_retention: str | None = None,
        prompt_cache_options: Mapping[str, Any] | None = None,
        timeout: Seconds | None = None,
        num_retries: int | None = None,
        drop_params: bool | None = None,
        emulate: bool | None = None,
        fallbacks: Sequence[str | Mapping[str, Any]] | None = None,
        mock_response: str | Exception | ModelResponse | Mapping[str, Any] | None = None,
        additional_drop_params: Sequence[str] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_body: Mapping[str, Any] | None = None,
        api_key: str | None = None,
        api_base: str | None = None,
        default_headers: Mapping[str, str] | None = None,
        proxy: str | None = None,
        ssl: TLS | None = None,
        on_status: Callable[[Status], Any] | None = None,
        supports_system_prompt: bool | None = None,
        roles: Mapping[str, Mapping[str, str]] | None = None,
        initial_prompt_value: str | None = None,
        final_prompt_value: str | None = None,
        bos_token: str | None = None,
        eos_token: str | None = None,
        **inputs: Any,
    ) -> Either:
        """The answer, in chunks where `stream` is True."""
