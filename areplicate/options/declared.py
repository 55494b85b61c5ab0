"""Every option of a call, declared once.

From these declarations come the signature that an editor shows, the names of other clients that are
understood, what a configuration and a gateway's client may set, and docs/options.md. What is not
declared here is an input of the model.

Sources: "Create chat completion" in OpenAI's API reference; `completion()` in LiteLLM's documentation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from .values import TIMEOUT

Who = Literal["caller", "configuration", "client"]
"""Who may set an option: the caller in Python; a configuration's `litellm_params`; a gateway's client."""

_CALLER: tuple[Who, ...] = ("caller",)
_OWNER: tuple[Who, ...] = ("caller", "configuration")
_EACH_CALL: tuple[Who, ...] = ("caller", "client")
_ANYONE: tuple[Who, ...] = ("caller", "configuration", "client")


class Option(NamedTuple):
    """One option of a call.

    Attributes:
        name: its keyword.
        type: the Python type of its value; None always means "not given".
        meaning: one sentence for users.
        by: who may set it.
        other_names: what other clients call it.
        default: what applies if it is not given, in words.
        openai: it is one of OpenAI's chat parameters, which are mapped to the model's inputs.
    """

    name: str
    type: str
    meaning: str
    by: tuple[Who, ...] = _ANYONE
    other_names: tuple[str, ...] = ()
    default: str = ""
    openai: bool = False


def _openai(name: str, type: str, meaning: str) -> Option:
    return Option(name, type, meaning, openai=True)


_STRINGS = "str | Sequence[str]"
_OBJECT = "Mapping[str, Any]"
_OBJECTS = "Sequence[Mapping[str, Any]]"

OPTIONS: tuple[Option, ...] = (
    Option(
        "stream", "bool", "True gives chunks, each as soon as it is written.", _EACH_CALL, default="False"
    ),
    Option(
        "stream_options",
        _OBJECT,
        '`{"include_usage": True}` adds a last chunk with the token counts.',
        _EACH_CALL,
    ),
    Option("n", "int", "How many answers; each is a prediction of its own.", default="1"),
    _openai("temperature", "float", "How random the text is; 0 gives the likeliest."),
    _openai("top_p", "float", "Only the likeliest tokens are chosen from, up to this share."),
    _openai("max_tokens", "int", "Tokens of the answer at most."),
    _openai("max_completion_tokens", "int", "The newer name of `max_tokens`."),
    _openai(
        "stop",
        _STRINGS,
        "The answer ends before the first of these texts, whether the model has an input for them or not.",
    ),
    _openai("seed", "int", "Makes the answer repeatable, as far as the model can."),
    _openai("presence_penalty", "float", "Above 0, tokens that were used are less likely."),
    _openai("frequency_penalty", "float", "Above 0, tokens are less likely the more often they were used."),
    _openai("logit_bias", "Mapping[str, float]", "What to add to the likelihood of single tokens."),
    _openai("logprobs", "bool", "Whether to give the likelihoods of tokens."),
    _openai("top_logprobs", "int", "For how many tokens at each place."),
    _openai("response_format", f"{_OBJECT} | type[Any]", "The form of the answer, such as a JSON schema."),
    _openai("tools", _OBJECTS, "The functions that the model may call."),
    _openai("tool_choice", f"str | {_OBJECT}", '`"auto"`, `"none"`, `"required"`, or one function.'),
    _openai("parallel_tool_calls", "bool", "Whether several functions may be called at once."),
    _openai("functions", _OBJECTS, "The older form of `tools`."),
    _openai("function_call", f"str | {_OBJECT}", "The older form of `tool_choice`."),
    _openai("reasoning_effort", "str", "How long the model thinks, such as `low` or `high`."),
    _openai("verbosity", "str", "How long the answer is: `low`, `medium` or `high`."),
    _openai("modalities", "Sequence[str]", "What the answer is made of: `text`, `audio`."),
    _openai("audio", _OBJECT, "The voice and the format of a spoken answer."),
    _openai("prediction", _OBJECT, "A text that the answer is expected to repeat in large part."),
    _openai("web_search_options", _OBJECT, "How the model searches the web."),
    _openai("moderation", _OBJECT, "What OpenAI checks in the conversation."),
    _openai("user", "str", "An id of the end user, for OpenAI. It changes no answer."),
    _openai("metadata", _OBJECT, "As `user`: it changes no answer."),
    _openai("store", "bool", "As `user`: it changes no answer."),
    _openai("service_tier", "str", "As `user`: it changes no answer."),
    _openai("safety_identifier", "str", "As `user`: it changes no answer."),
    _openai("prompt_cache_key", "str", "As `user`: it changes no answer."),
    _openai("prompt_cache_retention", "str", "As `user`: it changes no answer."),
    _openai("prompt_cache_options", _OBJECT, "As `user`: it changes no answer."),
    Option(
        "timeout",
        "Seconds",
        "Seconds for the whole completion: queue, cold boot and answer; also as a timedelta, or as httpx or aiohttp "
        "have it.",
        _OWNER,
        ("request_timeout",),
        f"the router's: {TIMEOUT:g}",
    ),
    Option(
        "num_retries",
        "int",
        "How often one HTTP request is tried again if that is safe.",
        _OWNER,
        ("max_retries",),
        "the router's",
    ),
    Option(
        "drop_params",
        "bool",
        "Leave out what the model has no input for and move numbers into its bounds, instead of an error.",
        default="False",
    ),
    Option(
        "emulate",
        "bool",
        "False makes tools, formats and stop sequences that the model has no input for an error, instead of explaining "
        "them in words and cutting the answer at the sequences.",
        default="True",
    ),
    Option(
        "fallbacks",
        "Sequence[str | Mapping[str, Any]]",
        'Models to ask if this one fails, in order: names, or mappings as `{"model": ..., "top_k": 5}`.',
        _CALLER,
        default="the router's",
    ),
    Option(
        "mock_response",
        "str | Exception | ModelResponse | Mapping[str, Any]",
        "The answer, or the error to raise: nothing is sent and nothing costs, for tests.",
        _CALLER,
    ),
    Option(
        "additional_drop_params",
        "Sequence[str]",
        "Names of parameters that are left out of this call, whatever the model takes.",
    ),
    Option(
        "extra_headers",
        "Mapping[str, str]",
        "HTTP headers for the request that creates the prediction.",
        _OWNER,
        ("headers",),
    ),
    Option(
        "extra_body",
        _OBJECT,
        "Inputs that are sent to the model whatever its schema says, even if a name is an option here.",
        _OWNER,
    ),
    Option(
        "api_key",
        "str",
        "The Replicate API token for this call.",
        _OWNER,
        default="the router's, else `REPLICATE_API_KEY` or `REPLICATE_API_TOKEN`",
    ),
    Option(
        "api_base",
        "str",
        "Where the API is, such as `https://api.replicate.com/v1`.",
        _OWNER,
        ("base_url",),
        "the router's, else `REPLICATE_API_BASE` or `REPLICATE_BASE_URL`, else Replicate",
    ),
    Option(
        "default_headers",
        "Mapping[str, str]",
        "HTTP headers for every request to the API's base: creation, polls, cancel, upload, stream.",
        _OWNER,
        default="the router's",
    ),
    Option(
        "proxy",
        "str",
        "The proxy to go through, such as `http://user:password@host:3128` or `socks5://host`; empty for none.",
        _OWNER,
        default="the router's, else the environment's",
    ),
    Option(
        "ssl",
        "TLS",
        "Certificates to trust: an SSLContext, the path of a file or folder, or False for any.",
        _OWNER,
        ("ssl_verify",),
        "the router's, else the platform's own",
    ),
    Option("on_status", "Callable[[Status], Any]", "Called with a `Status` at each phase.", _CALLER),
    Option(
        "supports_system_prompt",
        "bool",
        "True sends the system text in an input of its own, False in the prompt.",
        other_names=("supports_system_message",),
        default="what the model's schema says",
    ),
    Option("roles", "Mapping[str, Mapping[str, str]]", "A prompt template: what stands around each role."),
    Option("initial_prompt_value", "str", "A prompt template: the text at its beginning."),
    Option("final_prompt_value", "str", "A prompt template: the text before the answer."),
    Option("bos_token", "str", "A prompt template: the token before each turn."),
    Option("eos_token", "str", "A prompt template: the token after each answer."),
)
"""In the order in which an editor shows them."""

TEMPLATE = frozenset(("roles", "initial_prompt_value", "final_prompt_value", "bos_token", "eos_token"))
"""The options that make up a call's own prompt template."""

CONNECTION = ("api_key", "api_base", "default_headers", "proxy", "ssl")
"""The options that say how requests reach the API, and with which key."""

BY_NAME: Mapping[str, Option] = {
    name: option for option in OPTIONS for name in (option.name, *option.other_names)
}
"""Each option by its own name and by other clients' names for it."""
