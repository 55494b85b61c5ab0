"""Converts parts of the configuration file to structs, with errors and warnings that name file, line and key."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from ..mismatch import mismatch
from .environment import Environment, stripped
from .place import Place

T = TypeVar("T")

WITHOUT_EFFECT = {
    "routing_strategy": "is ignored: the least busy entry answers.",
    "store_model_in_db": "is ignored: models come from this file alone.",
    "custom_auth": "is ignored, and lets nobody in: make keys by areplicate keys create.",
    "allowed_ips": "is ignored, and keeps nobody out: restrict addresses in a firewall or a proxy.",
    "guardrails": "is ignored, and checks nothing.",
    "include": "is ignored: write what it names into this file.",
    "max_parallel_requests": "is ignored, and limits nothing: give it to keys, or to entries of model_list.",
    "allowed_routes": "is ignored, and closes no route: give keys models and roles.",
    "upperbound_key_generate_params": "is ignored, and limits no key.",
    "default_key_generate_params": "is ignored, and limits no key: give each key its own limits.",
    "max_budget": "is ignored, and limits nothing: give each key a max_budget of its own.",
}


def read_part(value: Any, kind: type[T], at: Place, environment: Environment | None = None) -> T:
    """A mapping as the struct `kind`; raises `ConfigError`.

    Null counts as not given. Keys that the struct does not have are left out with a warning. Numbers may be texts, as
    they are in the environment. No error shows a value: it may be a secret.

    Args:
        environment: what replaces `os.environ/NAME`, if anything does yet.
    """
    if not isinstance(value, dict):
        raise at.wrong("must be a mapping of keys to values.")
    fields = kind.__struct_fields__  # type: ignore[attr-defined]
    for key in value:
        if key not in fields:
            (at / str(key)).warn(WITHOUT_EFFECT.get(key, "is not a known setting and is ignored."))
    given = {key: value[key] for key in fields if value.get(key) is not None}
    if environment is not None:
        given = {key: stripped(each) for key, each in environment.resolved(given, at).items()}
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        found = mismatch(error, kind)
        raise at.below(found.steps).wrong(f"{found.why}.") from None
