"""Options of other clients that do not exist here, so that none is taken for an input of the model.

Source: the parameters of LiteLLM's `completion()`, and those that its router and its proxy add.
"""

from __future__ import annotations

from ..chat.plan import SYSTEM_INPUTS
from .values import TIMEOUT

IGNORED = frozenset(
    (
        # LiteLLM's book-keeping
        *("acompletion", "atext_completion", "aimg_generation", "text_completion", "call_id", "id"),
        *("log_delegator", "logger_fn", "verbose", "no-log", "complete_response", "fallback_depth"),
        *("proxy_server_request", "secret_fields", "model_info", "base_model", "model_config", "tags"),
        *("guardrail_config", "shared_session", "use_in_pass_through", "use_client", "max_fallbacks"),
        *("turn_off_message_logging", "allowed_openai_params", "custom_llm_provider", "hf_model_name"),
        *("custom_prompt_dict", "extra_query", "provider_specific_header", "model_file_id_mapping"),
        # its cache, which is not here: an answer is asked for again
        *("cache", "caching", "caching_groups", "cache_key", "preset_cache_key", "ttl"),
        # what each model costs, which only its own proxy reads
        *("input_cost_per_token", "output_cost_per_token", "input_cost_per_second", "max_budget"),
        *("output_cost_per_second", "budget_duration", "tiered_pricing", "search_context_cost_per_query"),
        # what shares the load between a router's models
        *("rpm", "tpm", "weight", "max_parallel_requests", "cooldown_time", "retry_policy"),
        *("retry_strategy", "stream_timeout", "force_timeout", "allowed_model_region", "order", "tag_regex"),
        *("rpd", "tpd", "itpm", "otpm", "timeout_by_service_tier", "stream_timeout_by_service_tier"),
        *("silent_model", "model_alias_map", "enable_json_schema_validation"),
        # other providers
        *("api_version", "api_type", "organization", "project", "deployment_id", "azure", "region_name"),
        *("tenant_id", "client_id", "client_secret", "use_litellm_proxy"),
        *("configurable_clientside_auth_params", "cache_control_injection_points"),
    )
)
IGNORED_PREFIXES = (
    *("aws_", "azure_", "vertex_", "watsonx_", "databricks_", "litellm_", "langfuse_", "langsmith_"),
    *("humanloop_", "arize_", "posthog_", "weave_", "wandb_", "gcs_", "user_api_key_"),
    *("input_cost_per_", "output_cost_per_", "cache_read_", "cache_creation_"),
)
"""Options of LiteLLM's that are for other providers, for its log and for its prices."""

REFUSED = {
    "model_list": "give it to AsyncRouter(model_list=...), whose calls then use its names",
    "client": "HTTP clients are not shared; give AsyncRouter(transport=...) to change how connections open",
    "guardrails": "nothing here checks texts",
    "prompt_id": "prompts are not kept here; give the messages themselves",
    "prompt_variables": "prompts are not kept here; give the messages themselves",
    "prompt_version": "prompts are not kept here; give the messages themselves",
    "prompt_label": "prompts are not kept here; give the messages themselves",
    "mock_tool_calls": "give the whole answer with its calls as mock_response=ModelResponse(...)",
    "mock_timeout": "give a short timeout to areplicate.local.LocalReplicate's models instead",
    "context_window_fallback_dict": "give fallbacks=[...] instead",
    "fastest_response": "ask several models and take the first answer instead",
    "ensure_alternating_roles": "the model's prompt format puts the roles into order",
    "user_continue_message": "the model's prompt format puts the roles into order",
    "assistant_continue_message": "the model's prompt format puts the roles into order",
    "merge_reasoning_content_in_choices": "read message.reasoning_content",
    "search_tool_name": "nothing here searches the web",
    "prompt": 'give it as a message: {"role": "user", "content": ...}',
    "self": "it is not the name of an option",
}
"""Options of other clients that change what happens there, with what to do here."""

INSTEAD = {
    **dict.fromkeys(SYSTEM_INPUTS, 'give it as a message: {"role": "system", "content": ...}'),
    "input": "give each of the model's inputs as a keyword of its own",
    "thinking": "reasoning_effort= says how long a model thinks, where it has an input for that",
    "wait": f"timeout= says how long a call waits, {TIMEOUT:g} seconds unless it is given",
    **dict.fromkeys(("webhook", "webhook_events_filter"), "on_status= is called at each phase"),
}
"""What some models take, or Replicate's own client, with what to do where a model has no such input."""
