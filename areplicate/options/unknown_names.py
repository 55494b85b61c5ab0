"""Keywords that `declared` does not have: another client's options, the model's own inputs, and mistakes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from ..chat.params import ALIASES, SYNONYMS
from ..chat.schemas import catalogue
from ..chat.schemas.schema import ModelSchema
from ..errors import UnsupportedParamsError
from ..logs import logger, warn
from .declared import BY_NAME
from .other_clients import IGNORED, IGNORED_PREFIXES, INSTEAD, REFUSED


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
