"""Which endpoint a model string means, as the catalogue knows it, and what else the string may have meant."""

from __future__ import annotations

from difflib import get_close_matches

from ..chat.schemas import catalogue
from ..errors import BadRequestError
from ..replicate.endpoints import Endpoint, ModelEndpoint, VersionEndpoint, parse_model


def endpoint_of(model: str) -> Endpoint:
    """What a model string stands for; raises `BadRequestError` if it is not one.

    `replicate` is not only the optional prefix but also the owner of some models: `replicate/flan-t5-xl` is a
    model if the catalogue has it, and else a version named `flan-t5-xl`.
    """
    try:
        endpoint = parse_model(model)
    except BadRequestError as error:
        error.message += suggestion(model)
        raise
    if isinstance(endpoint, VersionEndpoint) and endpoint.version == endpoint.model:
        owned = ModelEndpoint("replicate", endpoint.version)
        return owned if catalogue.find(owned.model) is not None else endpoint
    return endpoint


def suggestion(model: object) -> str:
    """The models of the catalogue whose names are nearest, of any owner."""
    by_name = {each.partition("/")[2]: each for each in catalogue.names()}
    near = get_close_matches(str(model)[:200].rpartition("/")[2], by_name, n=2, cutoff=0.75)
    return f" Did you mean {' or '.join(by_name[name] for name in near)}?" if near else ""
