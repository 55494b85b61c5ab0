"""What to do instead of names that LiteLLM's, OpenAI's and Replicate's packages have and `areplicate` does
not."""

from __future__ import annotations

_INSTEAD = {
    "areplicate calls language models alone": "image_generation aimage_generation ImageResponse transcription "
    "atranscription speech aspeech moderation amoderation rerank arerank",
    'give the text as a message: acompletion(model, [{"role": "user", "content": text}])': "text_completion "
    "atext_completion TextCompletionResponse",
    "answers are not cached": "cache Cache enable_cache disable_cache caching",
    "wrap acompletion to see its answers and errors, or give on_status=": "success_callback failure_callback "
    "input_callback callbacks service_callback _async_success_callback logging_callback_manager CustomLogger",
    "give fallbacks=[...] to a call, or to AsyncRouter": "fallbacks context_window_fallbacks",
    "give it to AsyncRouter(model_list=...)": "model_list",
    "give extra_headers={...} to a call": "headers",
    "nothing is sent to anybody but Replicate": "telemetry",
    "nothing is printed; logging.getLogger('areplicate') has what there is": "suppress_debug_info",
    "messages go in as they are given": "modify_params",
    "the gateway has budgets for each key": "max_budget BudgetManager",
    "models need no registering": "register_model",
    "completion_cost(response) gives what an answer cost": "model_cost",
    "`areplicate models show MODEL` shows a model's inputs": "get_model_info",
    "the models' tokenizers are not here; token_counter() estimates": "encode decode trim_messages",
    "it is acompletion": "acreate",
    "it is what embedding() and aembedding() give": "EmbeddingResponse",
    "give AsyncRouter(transport=...)": "aclient_session client_session",
    "a prompt that is too long is a BadRequestError": "ContextWindowExceededError",
    "what a model refuses is a PredictionFailedError or its answer": "ContentPolicyViolationError",
    "an answer that cannot be read is an APIError": "APIResponseValidationError",
    "the gateway's refusals are RateLimitErrors": "BudgetExceededError",
    "Replicate's 422 is a BadRequestError": "UnprocessableEntityError",
    "it is Timeout": "APITimeoutError",
    "every error is an APIError": "APIStatusError OpenAIError ReplicateError",
    "it is PredictionFailedError": "ModelError",
    "use acompletion or AsyncRouter; or start the gateway for openai's client": "OpenAI AsyncOpenAI",
    "it is completion(model, messages), or acompletion": "run async_run",
    "it is completion(model, messages, stream=True), or acompletion": "stream async_stream",
    "replicate's own package has it": "Client predictions models deployments",
}
"""What to do, and instead of which names."""
_BY_NAME = {name: instead for instead, names in _INSTEAD.items() for name in names.split()}


def absent(name: str) -> str:
    """Why `areplicate` has no such name, and what to do, in one sentence."""
    why = _BY_NAME.get(name)
    if why is None:
        return f"areplicate has no {name!r}."
    return f"areplicate has no {name!r}: {why}."
