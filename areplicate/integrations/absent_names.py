"""What to do instead of names that LiteLLM's, OpenAI's and Replicate's packages have and `areplicate` does
not."""

from __future__ import annotations

_CHAT_ONLY = "areplicate calls language models alone"
_NOT_CACHED = "answers are not cached"
_CALLBACKS = "wrap acompletion to see its answers and errors, or give on_status="
_ABSENT = {
    **dict.fromkeys(
        (
            *("image_generation", "aimage_generation", "transcription"),
            *("atranscription", "speech", "aspeech", "moderation", "amoderation", "rerank", "arerank"),
            *("EmbeddingResponse", "ImageResponse"),
        ),
        _CHAT_ONLY,
    ),
    **dict.fromkeys(
        ("text_completion", "atext_completion", "TextCompletionResponse"),
        'give the text as a message: acompletion(model, [{"role": "user", "content": text}])',
    ),
    **dict.fromkeys(("cache", "Cache", "enable_cache", "disable_cache", "caching"), _NOT_CACHED),
    **dict.fromkeys(
        (
            *("success_callback", "failure_callback", "input_callback", "callbacks", "service_callback"),
            *("_async_success_callback", "logging_callback_manager", "CustomLogger"),
        ),
        _CALLBACKS,
    ),
    "fallbacks": "give fallbacks=[...] to a call, or to AsyncRouter",
    "context_window_fallbacks": "give fallbacks=[...] to a call",
    "model_list": "give it to AsyncRouter(model_list=...)",
    "headers": "give extra_headers={...} to a call",
    "telemetry": "nothing is sent to anybody but Replicate",
    "suppress_debug_info": "nothing is printed; logging.getLogger('areplicate') has what there is",
    "modify_params": "messages go in as they are given",
    "max_budget": "the gateway has budgets for each key",
    "BudgetManager": "the gateway has budgets for each key",
    "register_model": "models need no registering",
    "model_cost": "completion_cost(response) gives what an answer cost",
    "get_model_info": "`areplicate models show MODEL` shows a model's inputs",
    "encode": "the models' tokenizers are not here; token_counter() estimates",
    "decode": "the models' tokenizers are not here",
    "trim_messages": "the models' tokenizers are not here",
    "acreate": "it is acompletion",
    "aclient_session": "give AsyncRouter(transport=...)",
    "client_session": "give AsyncRouter(transport=...)",
    "ContextWindowExceededError": "a prompt that is too long is a BadRequestError",
    "ContentPolicyViolationError": "what a model refuses is a PredictionFailedError or its answer",
    "APIResponseValidationError": "an answer that cannot be read is an APIError",
    "BudgetExceededError": "the gateway's refusals are RateLimitErrors",
    "UnprocessableEntityError": "Replicate's 422 is a BadRequestError",
    "APITimeoutError": "it is Timeout",
    **dict.fromkeys(("APIStatusError", "OpenAIError", "ReplicateError"), "every error is an APIError"),
    "ModelError": "it is PredictionFailedError",
    **dict.fromkeys(
        ("OpenAI", "AsyncOpenAI"), "use acompletion or AsyncRouter; or start the gateway for openai's client"
    ),
    **dict.fromkeys(("run", "async_run"), "it is completion(model, messages), or acompletion"),
    **dict.fromkeys(
        ("stream", "async_stream"), "it is completion(model, messages, stream=True), or acompletion"
    ),
    **dict.fromkeys(("Client", "predictions", "models", "deployments"), "replicate's own package has it"),
}


def absent(name: str) -> str:
    """Why `areplicate` has no such name, and what to do, in one sentence."""
    why = _ABSENT.get(name)
    if why is None:
        return f"areplicate has no {name!r}."
    return f"areplicate has no {name!r}: {why}."
