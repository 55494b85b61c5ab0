"""A call's keywords, sorted into its options, OpenAI's parameters and the model's own inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import iscoroutinefunction
from os import PathLike
from ssl import SSLContext
from typing import Any

import msgspec

from ..chat.plain import as_json, plain
from ..errors import BadRequestError
from ..logs import warn
from .declared import BY_NAME, Option
from .unknown_names import means_nothing
from .values import checked_timeout, is_number, wrong

_NUMBERS = frozenset((bool, int, float))
"""Types of values that need no conversion."""
_SHORT = _NUMBERS | {str, type(None)}
_LONGEST = 100
"""Characters of a value in a `Given.key`."""


class Given(msgspec.Struct, frozen=True):
    """A call's keywords, sorted. All are under areplicate's own names, and none is None."""

    options: dict[str, Any]
    """How the call is made."""
    params: dict[str, Any]
    """OpenAI's chat parameters."""
    inputs: dict[str, Any]
    """The model's own inputs."""
    key: tuple[Any, ...] | None = None
    """Equal for calls with the same keywords; None if these are long, or each call is warned of one."""

    def updated(self, other: Given) -> Given:
        """These keywords with another call's, which take precedence."""
        return Given(
            {**self.options, **other.options},
            {**self.params, **other.params},
            {**self.inputs, **other.inputs},
            None if self.key is None or other.key is None else (self.key, other.key),
        )


def key_of(keywords: Mapping[str, Any]) -> tuple[Any, ...] | None:
    """A call's keywords as one value, which is equal for equal ones; None if they are not short plain values."""
    values = tuple(keywords.values())
    types = tuple(map(type, values))
    if not _SHORT.issuperset(types) or (str in types and max(map(len, map(str, values))) > _LONGEST):
        return None
    return (*keywords, *types, *values)  # with their types: 1 and True are equal, and mean different things


def read_keywords(keywords: Mapping[str, Any]) -> Given:
    """Sorts the keywords of a call.

    An option's own name takes precedence over another client's name for it. Keywords that have no effect
    here are left out with a warning.

    Raises:
        UnsupportedParamsError: an option of another client that would change what happens.
    """
    options: dict[str, Any] = {}
    params: dict[str, Any] = {}
    inputs: dict[str, Any] = {}
    same = True
    for name, value in keywords.items():
        if value is None:
            continue
        option = BY_NAME.get(name)
        if type(value) not in _NUMBERS and name != "on_status":
            value = plain(value, name)
            if value is None:
                continue
        if option is None:
            if means_nothing(name, value):
                warn(f"{name} has no effect here and is left out: areplicate has no such option.")
                same = False
            else:
                inputs[name] = value
        elif option.openai:
            params[name] = value if type(value) in _NUMBERS else _json_or_class(name, value)
        elif name == option.name or keywords.get(option.name) is None:
            options[option.name] = _checked(option, name, value)
    return Given(options, params, inputs, key_of(keywords) if same else None)


def _json_or_class(name: str, value: Any) -> Any:
    """The value as JSON, so that nothing below meets another type; `response_format` may be a class."""
    if isinstance(value, (str, type)):
        return value
    if isinstance(value, bytes):
        raise wrong(name, value, "text (decode it)")
    try:
        return as_json(value)
    except ValueError as error:
        raise BadRequestError(f"{name} holds a value that JSON cannot: {error}.", param=name) from None


def _checked(option: Option, name: str, value: Any) -> Any:
    """The value, if it has the option's type."""
    wanted, is_right = _TYPES.get(option.type.partition("[")[0], _ANY_TYPE)
    if not is_right(value):
        if option.name == "timeout":
            return checked_timeout(value)
        if option.name in _SECRET:
            raise BadRequestError(f"{name} must be {wanted}, not {type(value).__name__}.", param=name)
        raise wrong(name, value, wanted)
    return value


_SECRET = frozenset(("api_key", "extra_headers", "default_headers", "proxy"))
"""Options whose values no message shows."""
_ANY_TYPE: tuple[str, Callable[[Any], bool]] = ("", lambda value: True)
_TYPES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "str": ("a string", lambda value: isinstance(value, str)),
    "bool": ("True or False", lambda value: isinstance(value, bool)),
    "int": ("a whole number", lambda value: isinstance(value, int) and not isinstance(value, bool)),
    "Seconds": ("a number", is_number),
    "Mapping": (
        "a mapping of names to values",
        lambda value: isinstance(value, dict) and all(isinstance(key, str) for key in value),
    ),
    "Callable": (
        "a function that is not async",
        lambda value: callable(value) and not iscoroutinefunction(value),
    ),
    "TLS": (
        "an SSLContext, the path of a file or folder, or True or False",
        lambda value: isinstance(value, (SSLContext, str, PathLike, bool)),
    ),
}
"""For each declared type, its name in messages and its check. Other types are checked where they are used."""


def checked_fallbacks(value: Any) -> list[tuple[str, Given]]:
    """The models to ask instead, each with options of its own."""
    read_ones = []
    for each in value if isinstance(value, list) else [value]:
        entry = {"model": each} if isinstance(each, str) else each
        if not isinstance(entry, dict) or not isinstance(entry.get("model"), str):
            raise wrong(
                "fallbacks", value, 'a list of models such as ["owner/name", {"model": "owner/name"}]'
            )
        model = entry["model"]
        read_ones.append(
            (model, read_keywords({name: own for name, own in entry.items() if name != "model"}))
        )
    return read_ones
