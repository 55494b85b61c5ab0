"""Every option of a call, declared once.

From these declarations come the signature that an editor shows, the names of other clients that are
understood, what a configuration and a gateway's client may set, and docs/options.md. What is not
declared here is an input of the model.

Sources: "Create chat completion" in OpenAI's API reference; `completion()` in LiteLLM's documentation.
"""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import lru_cache
from os import PathLike
from ssl import SSLContext
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

import msgspec

from ..chat.plain import plain
from ..chat.schemas.values import shown
from ..errors import AuthenticationError, BadRequestError, UnsupportedParamsError
from ..logs import warn
from ..replicate.protocol.requests import named, origin
from .other_clients import IGNORED, IGNORED_PREFIXES, REFUSED

API_BASE = "https://api.replicate.com/v1"
TIMEOUT = 1800.0
"""Seconds for a whole completion. Replicate itself ends a prediction after 30 minutes of running."""

_LONGEST_TIMEOUT = 7 * 24 * 3600.0
_MOST_CHOICES = 128
"""OpenAI's own bound for `n`."""
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")

Who = Literal["caller", "configuration", "client"]
"""Who may set an option: the caller in Python; a configuration's `litellm_params`; a gateway's client."""

_CALLER: tuple[Who, ...] = ("caller",)
_OWNER: tuple[Who, ...] = ("caller", "configuration")
_ANYONE: tuple[Who, ...] = ("caller", "configuration", "client")


class Option(NamedTuple):
    """One option of a call.

    Attributes:
        name: its keyword.
        type: the Python type of its value; None always means "not given".
        meaning: one sentence for users.
        by: who may set it.
        other_names: what other clients call it.
        default: what holds where it is not given, in words.
        openai: it is one of OpenAI's chat parameters, which the model's own inputs decide on.
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
    Option("stream", "bool", "True gives chunks, each as soon as it is written.", default="False"),
    Option("stream_options", _OBJECT, '`{"include_usage": True}` adds a last chunk with the token counts.'),
    Option("n", "int", "How many answers; each is a prediction of its own.", default="1"),
    _openai("temperature", "float", "How random the text is; 0 gives the likeliest."),
    _openai("top_p", "float", "Only the likeliest tokens are chosen from, up to this share."),
    _openai("max_tokens", "int", "Tokens of the answer at most."),
    _openai("max_completion_tokens", "int", "The newer name of `max_tokens`."),
    _openai("stop", _STRINGS, "The answer ends before one of these texts."),
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
    _openai("user", "str", "Who asks. It tells OpenAI something and changes no answer."),
    _openai("metadata", _OBJECT, "As `user`: it changes no answer."),
    _openai("store", "bool", "As `user`: it changes no answer."),
    _openai("service_tier", "str", "As `user`: it changes no answer."),
    _openai("safety_identifier", "str", "As `user`: it changes no answer."),
    _openai("prompt_cache_key", "str", "As `user`: it changes no answer."),
    _openai("prompt_cache_retention", "str", "As `user`: it changes no answer."),
    _openai("prompt_cache_options", _OBJECT, "As `user`: it changes no answer."),
    Option(
        "timeout",
        "float",
        "Seconds for the whole completion: queue, cold boot and answer.",
        _OWNER,
        ("request_timeout",),
        "the router's: 1800",
    ),
    Option(
        "num_retries",
        "int",
        "How often one HTTP request is tried again where that is safe.",
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
        "False refuses tools and formats that the model has no input for, instead of telling it in words.",
        default="True",
    ),
    Option(
        "fallbacks",
        "Sequence[str | Mapping[str, Any]]",
        'Models to ask where this one fails, in order: names, or mappings as `{"model": ..., "top_k": 5}`.',
        _CALLER,
        default="the router's",
    ),
    Option(
        "mock_response",
        "str | Exception",
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
        "Inputs that are sent to the model whatever its schema says, also where a name is an option here.",
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

BY_NAME: Mapping[str, Option] = {
    name: option for option in OPTIONS for name in (option.name, *option.other_names)
}
"""Each option by its own name and by those that other clients give it."""


class Given(NamedTuple):
    """What a call was given, parted: all under the names that areplicate gives them, nothing None."""

    options: dict[str, Any]
    """How the call is made."""
    params: dict[str, Any]
    """OpenAI's chat parameters."""
    inputs: dict[str, Any]
    """The model's own inputs."""

    def updated(self, other: Given) -> Given:
        """These with another call's, which count more."""
        return Given(
            {**self.options, **other.options},
            {**self.params, **other.params},
            {**self.inputs, **other.inputs},
        )


def read(keywords: Mapping[str, Any]) -> Given:
    """What each keyword of a call is.

    An option under its own name counts more than under another client's. What means nothing here is
    left out with a warning.

    Raises:
        UnsupportedParamsError: an option of another client that would change what happens.
    """
    given = Given({}, {}, {})
    for name, value in keywords.items():
        if value is None:
            continue
        option = BY_NAME.get(name)
        if name != "on_status":
            value = plain(value, name)
        if option is None:
            if means_nothing(name, value):
                warn(f"{name} means nothing to areplicate and is left out.")
            else:
                given.inputs[name] = value
        elif option.openai:
            given.params[name] = _encodable(name, value) if isinstance(value, (dict, list)) else value
        elif name == option.name or keywords.get(option.name) is None:
            given.options[option.name] = _checked(option, name, value)
    return given


def _encodable(name: str, value: Any) -> Any:
    try:
        msgspec.json.encode(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise BadRequestError(f"{name} holds a value that JSON cannot: {error}.", param=name) from None
    return value


def _checked(option: Option, name: str, value: Any) -> Any:
    """The value, where it has the option's type."""
    wanted, is_right = _TYPES.get(option.type.partition("[")[0], _ANY_TYPE)
    if not is_right(value):
        if option.name in _SECRET:
            raise BadRequestError(f"{name} must be {wanted}, not {type(value).__name__}.", param=name)
        raise _wrong(name, value, wanted)
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


_SECRET = frozenset(("api_key", "extra_headers", "default_headers", "proxy"))
"""Options whose values no message shows."""
_ANY_TYPE: tuple[str, Callable[[Any], bool]] = ("", lambda value: True)
_TYPES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "str": ("a string", lambda value: isinstance(value, str)),
    "bool": ("True or False", lambda value: isinstance(value, bool)),
    "int": ("a whole number", lambda value: isinstance(value, int) and not isinstance(value, bool)),
    "float": ("a number", _is_number),
    "Mapping": ("a mapping of names to values", lambda value: isinstance(value, dict)),
    "Callable": ("a function", callable),
    "TLS": (
        "an SSLContext, the path of a file or folder, or True or False",
        lambda value: isinstance(value, (SSLContext, str, PathLike, bool)),
    ),
}
"""Of each declared type, what to say and how to see it. What is not here is checked where it is used."""


def read_body(body: Mapping[str, Any], inputs: Collection[str]) -> dict[str, Any]:
    """What a client of a gateway asks, as keywords for `acompletion`; nothing in it is None.

    What passes does so because it is named: an option that is the client's to set, or an input of the
    model. What means nothing here is left out.

    Args:
        body: the request's fields, without `model` and `messages`.
        inputs: the names of the model's own inputs; where they are not known, `catalogue.common_inputs()`.

    Raises:
        BadRequestError: a field is not the client's to set, or is not known; `param` names it.
    """
    allowed: dict[str, Any] = {}
    for name, value in body.items():
        if value is None:
            continue
        option = BY_NAME.get(name)
        if option is None:
            if means_nothing(name, value):
                continue
            if name not in inputs:
                raise unknown(name, [*names_for("client"), *inputs])
            allowed[name] = value
        elif "client" not in option.by:
            raise BadRequestError(
                f"{name} is set in the gateway's configuration, not in requests.", param=name
            )
        elif name == option.name or body.get(option.name) is None:
            allowed[option.name] = value
    return allowed


def names_for(who: Who) -> frozenset[str]:
    """The names, other clients' too, of the options that this one may set."""
    return frozenset(name for name, option in BY_NAME.items() if who in option.by)


def unknown(name: str, known: Iterable[str], model: str | None = None) -> UnsupportedParamsError:
    """The error for a name that neither a call nor the model knows, with the nearest names that they know."""
    near = get_close_matches(name, list(known), n=3, cutoff=0.7)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    return UnsupportedParamsError(
        f"{name} is neither an option nor an input of {model or 'this model'}.{hint} "
        f"extra_body={{{name!r}: ...}} sends it all the same.",
        model=model,
        param=name,
    )


def means_nothing(name: str, value: Any) -> bool:
    """Whether it is an option of another client that changes nothing here."""
    if name in IGNORED or name.startswith(IGNORED_PREFIXES):
        return True
    instead = REFUSED.get(name)
    if instead is None:
        return False
    if isinstance(value, (bool, str, list, tuple, dict)) and not value:
        return True
    raise UnsupportedParamsError(f"{name} cannot be given to a call here: {instead}.", param=name)


def setting(name: str) -> Any:
    """A setting of the whole process, such as `areplicate.drop_params`; None where it is not set."""
    return getattr(sys.modules["areplicate"], name)


def first_given(*values: Any) -> Any:
    """The first of these that is not None; None where all are."""
    return next((value for value in values if value is not None), None)


def wants_usage(stream_options: Any) -> bool:
    """Whether a stream ends with its usage."""
    options = checked_mapping("stream_options", stream_options)
    return bool(options.get("include_usage"))


def chosen_key(given: str | None) -> str:
    """The API token: as given, else from the environment."""
    key = given or setting("api_key") or _from_environment("REPLICATE_API_KEY", "REPLICATE_API_TOKEN")
    if not key:
        raise AuthenticationError("There is no API key: set REPLICATE_API_KEY or pass api_key=.")
    return key


def chosen_base(given: str | None) -> str:
    """Where the API is: as given, else from the environment, else Replicate itself."""
    return (
        given
        or setting("api_base")
        or _from_environment("REPLICATE_API_BASE", "REPLICATE_BASE_URL")
        or API_BASE
    )


@lru_cache(maxsize=256)
def checked_base(base: str) -> str:
    """The base without a slash at its end, and with `/v1` where it has no path, as Replicate's has."""
    if not isinstance(base, str) or not base.startswith(("https://", "http://")):
        raise _wrong("api_base", base, "a URL that begins with https:// or http://")
    try:
        origin(base)
    except ValueError as error:
        raise _wrong("api_base", base, f"a URL ({error})") from None
    if "@" in urlsplit(base).netloc:
        raise BadRequestError(
            "api_base must not hold a user and a password: give what is needed as default_headers=.",
            param="api_base",
        )
    base = base.rstrip("/")
    return base if base.count("/") > 2 else f"{base}/v1"


def checked_headers(name: str, headers: Mapping[str, str] | None) -> dict[str, str]:
    """Headers under areplicate's own spelling of their names."""
    if not headers:
        return {}
    if not isinstance(headers, Mapping):
        raise _wrong(name, headers, 'a mapping such as {"X-Team": "search"}')
    given = {header: value for header, value in headers.items() if value is not None}
    for header, value in given.items():
        if not isinstance(header, str) or not _HEADER_NAME.fullmatch(header):
            raise _wrong(name, header, 'a mapping of HTTP header names such as "X-Team"')
        if not isinstance(value, str) or any(ord(each) < 32 and each != "\t" for each in value):
            # The value is not shown: it may be a secret.
            raise BadRequestError(f"{name}[{header!r}] must be a string of one line.", param=name)
    return named(given)


def checked_mapping(name: str, value: Mapping[str, Any] | None) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise _wrong(name, value, "a mapping of names to values")
    return value


def checked_fallbacks(value: Any) -> list[tuple[str, Given]]:
    """The models to ask instead, each with options of its own."""
    read_ones = []
    for each in value if isinstance(value, list) else [value]:
        entry = {"model": each} if isinstance(each, str) else each
        if not isinstance(entry, dict) or not isinstance(entry.get("model"), str):
            raise _wrong(
                "fallbacks", value, 'a list of models such as ["owner/name", {"model": "owner/name"}]'
            )
        model = entry["model"]
        read_ones.append((model, read({name: own for name, own in entry.items() if name != "model"})))
    return read_ones


def checked_names(name: str, value: Sequence[str] | None) -> Sequence[str]:
    if value is None:
        return ()
    if not isinstance(value, (list, tuple)) or not all(isinstance(each, str) for each in value):
        raise _wrong(name, value, "a list of names")
    return value


def checked_count(n: int | None) -> int:
    if n is None:
        return 1
    if isinstance(n, bool) or not isinstance(n, int) or not 1 <= n <= _MOST_CHOICES:
        raise _wrong("n", n, f"a whole number from 1 to {_MOST_CHOICES}")
    return n


def checked_timeout(timeout: float) -> float:
    number = isinstance(timeout, (int, float)) and not isinstance(timeout, bool) and not math.isnan(timeout)
    if not number or timeout <= 0:
        raise _wrong("timeout", timeout, "a positive number of seconds")
    return min(float(timeout), _LONGEST_TIMEOUT)


def checked_whole(name: str, value: int, *, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise _wrong(name, value, f"a whole number, at least {least}")
    return int(value)


def checked_rate(name: str, value: float) -> float:
    """A positive number, which may be infinite."""
    if not _is_number(value) or not value > 0:
        raise _wrong(name, value, "a positive number")
    return float(value)


def _from_environment(*names: str) -> str | None:
    return next((value for name in names if (value := os.environ.get(name))), None)


def _wrong(name: str, value: Any, wanted: str) -> BadRequestError:
    return BadRequestError(f"{name} must be {wanted}, not {shown(value)}.", param=name)
