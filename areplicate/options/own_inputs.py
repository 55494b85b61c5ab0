"""Checks the model's own inputs among a call's keywords."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..chat.params import ALIASES, SYNONYMS
from ..chat.schemas import catalogue
from ..chat.schemas.schema import ModelSchema
from ..logs import logger, warn
from . import unknown
from .declared import BY_NAME


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
            if not _is_common(name):
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


def _is_common(name: str) -> bool:
    return name in SYNONYMS or name in catalogue.common_inputs()
