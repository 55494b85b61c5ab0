"""`/v1/models`: the names of the configuration, as OpenAI and Anthropic list models."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Literal

import msgspec

from ..http.exchange import Exchange
from ..http.route import route
from .fields import ListPage
from .model_call import usable


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A model by the name that requests give, with the fields of both APIs. It was `created` when the configuration
    was read."""

    id: str
    created: int
    object: Literal["model"] = "model"
    owned_by: str = "replicate"
    display_name: str
    created_at: datetime
    type: Literal["model"] = "model"
    lifecycle: Literal["active"] = "active"


class ModelList(ListPage, frozen=True, kw_only=True):
    """The models that the caller may use, all on one page."""

    data: list[Model]


@route("GET", "/v1/models", "key", answer=ModelList)
async def list_models(exchange: Exchange) -> ModelList:
    """List models."""
    names = [name for name in exchange.backend.names if exchange.caller.may_use(name)]
    return ModelList.of([_shown(exchange, name) for name in names], len(names))


@route("GET", "/v1/models/{id}", "key", answer=Model)
async def get_model(exchange: Exchange) -> Model:
    """Look at a model."""
    usable(exchange.backend, exchange.caller, exchange.rest)
    return _shown(exchange, exchange.rest)


def _shown(exchange: Exchange, name: str) -> Model:
    created = exchange.backend.created
    moment = datetime.fromtimestamp(created, timezone.utc)
    return Model(id=name, created=created, display_name=name, created_at=moment)
