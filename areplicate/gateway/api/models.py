"""`/v1/models`: the names of the configuration, as OpenAI lists models."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Literal

import msgspec

from ..app import Gateway
from ..http.anthropic import is_anthropics
from ..http.exchange import Exchange
from ..http.route import route
from .model_call import usable


class Model(msgspec.Struct, frozen=True):
    """A model by the name that requests give. `created` is when the configuration was read."""

    id: str
    created: int
    object: Literal["model"] = "model"
    owned_by: str = "replicate"


class ModelList(msgspec.Struct, frozen=True):
    """The models that the caller may use."""

    data: list[Model]
    object: Literal["list"] = "list"


class ClaudeModel(msgspec.Struct, frozen=True):
    """A model in the form of Anthropic's API."""

    id: str
    display_name: str
    created_at: str
    type: Literal["model"] = "model"
    lifecycle: Literal["active"] = "active"


class ClaudeModelList(msgspec.Struct, frozen=True):
    """The models that the caller may use, as Anthropic's API lists them: on one page."""

    data: list[ClaudeModel]
    first_id: str | None
    last_id: str | None
    has_more: bool = False


@route("GET", "/v1/models", "key", answer=ModelList)
async def list_models(gateway: Gateway, exchange: Exchange) -> ModelList | ClaudeModelList:
    """List models; in Anthropic's shape for a client that sends `anthropic-version`."""
    names = [name for name in exchange.backend.names if exchange.caller.may_use(name)]
    if is_anthropics(exchange.request):
        ends = (names[0], names[-1]) if names else (None, None)
        return ClaudeModelList([_claude_model(exchange, name) for name in names], *ends)
    return ModelList([Model(name, exchange.backend.created) for name in names])


@route("GET", "/v1/models/{id}", "key", answer=Model, errors=(404,))
async def get_model(gateway: Gateway, exchange: Exchange) -> Model | ClaudeModel:
    """Look at a model; in Anthropic's shape for a client that sends `anthropic-version`."""
    usable(exchange.backend, exchange.caller, exchange.rest)
    if is_anthropics(exchange.request):
        return _claude_model(exchange, exchange.rest)
    return Model(exchange.rest, exchange.backend.created)


def _claude_model(exchange: Exchange, name: str) -> ClaudeModel:
    created = datetime.fromtimestamp(exchange.backend.created, timezone.utc)
    return ClaudeModel(name, name, created.isoformat().replace("+00:00", "Z"))
