"""`/v1/models`: the names of the configuration, as OpenAI lists models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from ..http.exchange import Exchange
from ..http.route import route
from .question import usable

if TYPE_CHECKING:
    from ..app import Gateway


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


@route("GET", "/v1/models", "key", answer=ModelList)
async def list_models(gateway: Gateway, exchange: Exchange) -> ModelList:
    """List models."""
    names = [name for name in exchange.backend.names if exchange.caller.may_use(name)]
    return ModelList([Model(name, exchange.backend.created) for name in names])


@route("GET", "/v1/models/{id}", "key", answer=Model, errors=(404,))
async def get_model(gateway: Gateway, exchange: Exchange) -> Model:
    """Look at a model."""
    usable(exchange, exchange.rest)
    return Model(exchange.rest, exchange.backend.created)
