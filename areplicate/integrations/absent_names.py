"""What to do instead of names that LiteLLM's, OpenAI's and Replicate's packages have and `areplicate` does
not.

Their errors are there, though: an `except` clause looks up its names when an error has come, and one that is not
there would be raised in that error's place.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from functools import cache

from .. import errors
from ..logs import warn

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
    "completion_cost(response) gives what an answer cost": "model_cost cost_per_token",
    "`areplicate models show MODEL` shows a model's inputs": "get_model_info get_max_tokens supports_vision "
    "supports_reasoning supports_pdf_input supports_audio_input",
    "every model takes them": "supports_function_calling supports_parallel_function_calling supports_response_schema "
    "enable_json_schema_validation add_function_to_prompt",
    "the gateway answers /v1/responses": "responses aresponses",
    "give several models to AsyncRouter(model_list=...)": "batch_completion_models "
    "batch_completion_models_all_responses abatch_completion_fastest_response",
    "set_verbose = True logs each request": "_turn_on_debug verbose debug",
    "every model here is Replicate's": "get_llm_provider LlmProviders custom_provider_map",
    "it is CompletionStream, or SyncCompletionStream": "CustomStreamWrapper",
    "the models' tokenizers are not here; token_counter() estimates": "encode decode trim_messages",
    "it is acompletion": "acreate",
    "it is what embedding() and aembedding() give": "EmbeddingResponse",
    "give AsyncRouter(transport=...)": "aclient_session client_session",
    "use acompletion or AsyncRouter; or start the gateway for openai's client": "OpenAI AsyncOpenAI",
    "it is completion(model, messages), or acompletion": "run async_run use ChatCompletion",
    "it is completion(model, messages, stream=True), or acompletion": "stream async_stream",
    "replicate's own package has it": "Client Replicate AsyncReplicate default_client predictions models deployments "
    "files FileOutput collections trainings hardware account accounts webhooks search",
    "what litellm has there is in areplicate itself, if it is at all": "utils types main llms proxy",
    "it is api_key": "api_token replicate_key replicate_api_key openai_key token",
    "it is num_retries": "num_retries_per_request max_retries",
    "it is completion, whose num_retries= says how often": "completion_with_retries acompletion_with_retries",
    "give ssl= to a call, or to AsyncRouter": "ssl_verify ssl_certificate",
    "`areplicate models list` lists models": "get_valid_models models_by_provider replicate_models",
    "it is request_timeout, or timeout= of a call": "timeout",
    "it is map(requests), AsyncRouter.map(requests) or `areplicate batch`": "batch abatch",
    "the gateway answers /v1/files and /v1/batches": "create_file acreate_file create_batch acreate_batch "
    "retrieve_batch aretrieve_batch",
}
"""What to do, and instead of which names."""
_SAME: dict[type[errors.APIError], str] = {
    errors.AnswerMisfitError: "JSONSchemaValidationError",
    errors.APIError: "APIStatusError OpenAIError ReplicateError ReplicateException",
    errors.BadRequestError: "InvalidRequestError UnprocessableEntityError",
    errors.InsufficientCreditError: "PaymentRequiredError",
    errors.InternalServerError: "BadGatewayError",
    errors.PredictionFailedError: "ModelError",
    errors.Timeout: "APITimeoutError",
}
"""Errors, and their names in those packages."""
_NEVER_RAISED = {
    "what a model refuses is a PredictionFailedError or its answer": "ContentPolicyViolationError",
    "an answer that cannot be read is an APIError": "APIResponseValidationError",
    "the gateway's refusals are RateLimitErrors": "BudgetExceededError",
    "nothing here checks texts": "RejectedRequestError GuardrailRaisedException BlockedPiiEntityError",
    "a model string that is none is a BadRequestError": "LiteLLMUnknownProvider",
    "a stream that has begun ends with the error itself": "MidStreamFallbackError",
    "whatever goes wrong with a call is an APIError": "ConflictError ImageFetchError MockException ModelNotMappedError "
    "CallerCredentialAuthenticationError CallerCredentialRateLimitError EndpointNotSupportedByModelError "
    "MalformedRequestFieldError ModifyResponseException SensitiveDataRouteException ToolLoopMaxRoundsExceeded "
    "UnsupportedEndpointError VectorStoreSearchError OAuthError InvalidWebhookSignatureError "
    "WebSocketConnectionClosedError WebSocketQueueFullError",
    "an entry's limit is a RateLimitError": "RouterRateLimitError RouterRateLimitErrorBasic",
    "an answer that does not fit, or was cut off, says so in finish_reason, or is an AnswerMisfitError": (
        "LengthFinishReasonError ContentFilterFinishReasonError"
    ),
}
"""What is raised, and instead of which errors."""
_ERROR_BY_NAME = {name: error for error, names in _SAME.items() for name in names.split()}
_NEVER_BY_NAME = {name: why for why, names in _NEVER_RAISED.items() for name in names.split()}
_BY_NAME = {name: instead for instead, names in _INSTEAD.items() for name in names.split()}


def absent(name: str, there: Iterable[str]) -> str:
    """Why `areplicate` has no such name, and what to do, in one sentence.

    Args:
        there: the names that it has; a name that is nearly one of them gets that as a hint.
    """
    if (why := _BY_NAME.get(name)) is not None:
        return f"areplicate has no {name!r}: {why}."
    near = get_close_matches(name, there, n=1, cutoff=0.75)
    return f"areplicate has no {name!r}." + "".join([f" Did you mean {each}?" for each in near])


def other_error(name: str) -> type[errors.APIError] | None:
    """The error that another package calls so: one of ours, or one that is never raised, of which a warning tells."""
    if (why := _NEVER_BY_NAME.get(name)) is None:
        return _ERROR_BY_NAME.get(name)
    warn(f"areplicate raises no {name}: {why}.")
    return _never_raised(name)


@cache
def _never_raised(name: str) -> type[errors.APIError]:
    return type(name, (errors.APIError,), {"__doc__": f"Never raised: {_NEVER_BY_NAME[name]}."})
