"""A call's keywords, sorted into its options, OpenAI's parameters and the model's own inputs.

`declared` has every option, once; `other_clients` the options of other clients that do not exist here;
`values` the defaults and checks. `call_types` is generated from the declarations.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from difflib import get_close_matches
from inspect import iscoroutinefunction
from os import PathLike
from ssl import SSLContext
from typing import Any

import msgspec

from ..chat.params import ALIASES, SYNONYMS
from ..chat.plain import as_json, plain
from ..chat.schemas import catalogue
from ..chat.schemas.schema import ModelSchema
from ..errors import BadRequestError, UnsupportedParamsError
from ..logs import logger, warn
from .declared import BY_NAME, Option, Who
from .other_clients import IGNORED, IGNORED_PREFIXES, INSTEAD, REFUSED
from .values import checked_timeout, is_number, wrong

NUMBERS = frozenset((bool, int, float))
_SHORT = NUMBERS | {str, type(None)}
_LONGEST = 100
"""Characters of a value in a `Given.key`."""
"""Types of values that need no conversion."""


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
        """These with another call's, which take precedence."""
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


def read(keywords: Mapping[str, Any]) -> Given:
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
        if type(value) not in NUMBERS and name != "on_status":
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
            params[name] = value if type(value) in NUMBERS else _json_or_class(name, value)
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
    "float": ("a number", is_number),
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


def read_from_client(
    body: Mapping[str, Any], inputs: Collection[str], drop_params: bool = False
) -> dict[str, Any]:
    """The fields of a request, of a gateway's client or of a batch file, as keywords for `acompletion`; none is None.

    A field passes only because it is named: as an option that a client may set, or as an input of the
    model. Fields that have no effect here are left out.

    Args:
        body: the request's fields, without `model` and `messages`.
        inputs: the names of the model's own inputs; if they are not known, `catalogue.common_inputs()`.
        drop_params: leave out what is not known, as `drop_params` of the request itself does.

    Raises:
        BadRequestError: a field is not the client's to set, or is not known; `param` names it.
    """
    allowed: dict[str, Any] = {}
    drops = drop_params or body.get("drop_params") is True
    for name, value in body.items():
        if value is None:
            continue
        option = BY_NAME.get(name)
        if option is None:
            if (drops and name not in inputs) or means_nothing(name, value):
                continue
            if name not in inputs:
                raise unknown(name, [*names_for("client"), *inputs])
            allowed[name] = value
        elif "client" not in option.by:
            raise BadRequestError(
                f"{name} cannot be set in a request, nor in a row of a job: who runs the gateway or the job sets it.",
                param=name,
            )
        elif name == option.name or body.get(option.name) is None:
            allowed[option.name] = value
    return allowed


def names_for(who: Who) -> frozenset[str]:
    """The names, other clients' included, of the options that `who` may set."""
    return frozenset(name for name, option in BY_NAME.items() if who in option.by)


def unknown(name: str, known: Iterable[str], model: str | None = None) -> UnsupportedParamsError:
    """The error for a name that neither a call nor the model knows; it suggests the nearest known names.

    Args:
        model: None for a gateway's client, who may not send what is not known.
    """
    name = name[:100]  # a client may send megabytes of it
    near = get_close_matches(name, dict.fromkeys(known), n=3, cutoff=0.7)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    hint = f" Instead, {INSTEAD[name]}." if name in INSTEAD else hint
    anyway = f" extra_body={{{name!r}: ...}} sends it all the same." if model is not None else ""
    return UnsupportedParamsError(
        f"{name} is neither an option nor an input of {model or 'this model'}.{hint}{anyway}",
        model=model,
        param=name,
    )


def means_nothing(name: str, value: Any) -> bool:
    """Whether it is another client's option that has no effect here.

    Raises:
        UnsupportedParamsError: it is another client's option that would change what happens.
    """
    if name in IGNORED or name.startswith(IGNORED_PREFIXES):
        return True
    instead = REFUSED.get(name)
    if instead is None:
        return False
    if isinstance(value, (bool, str, list, tuple, dict)) and not value:
        return True
    raise UnsupportedParamsError(f"{name} cannot be given to a call here: {instead}.", param=name)


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
        read_ones.append((model, read({name: own for name, own in entry.items() if name != "model"})))
    return read_ones


def own_inputs(
    inputs: Mapping[str, Any], schema: ModelSchema | None, model: str, drop_params: bool
) -> Mapping[str, Any]:
    """Those of `inputs` that go to the model.

    Raises:
        UnsupportedParamsError: the model's schema is known and has no such input; it names the nearest.
    """
    if not inputs:
        return inputs
    if schema is None:
        for name in inputs:
            if name not in SYNONYMS and name not in catalogue.common_inputs():
                warn(
                    f"{name} is sent as it is, and {model} may ignore it: the inputs of this model are not known, and "
                    "hardly any model has one of that name."
                )
        return inputs
    taken = {name: value for name, value in inputs.items() if _takes(schema, name)}
    for name in inputs.keys() - taken.keys():
        if not drop_params:
            raise unknown(name, [*BY_NAME, *schema.fields], model)
        logger.info("%s: %s is left out: the model has no such input", model, name)
    return taken


def _takes(schema: ModelSchema, name: str) -> bool:
    """Whether the model has this input, under this name or another."""
    return name in schema.fields or name in SYNONYMS or any(a in schema.fields for a in ALIASES.get(name, ()))
