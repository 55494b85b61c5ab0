"""`POST /v1/embeddings`, as OpenAI's API reference has it."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import msgspec

from ...chat.embeddings import (
    EmbeddingResponse,
    Encoding,
    PricedEmbeddingUsage,
    inputs_for,
    params_of,
    read_encoding,
    read_texts,
)
from ...errors import BadRequestError
from ..accounts.account import Account
from ..accounts.costs import Demand
from ..config.backend import Backend
from ..config.entries import ModelEntry
from ..http.exchange import Exchange
from ..http.route import route
from .model_call import ModelName, admitted_call


class EmbeddingRequest(msgspec.Struct, kw_only=True):
    """A text to embed, or a list of up to 2,048. Further fields are the model's own inputs, which are sent to it as
    they are."""

    model: ModelName
    input: Any
    encoding_format: Encoding | None = None
    user: str | None = None


@route("POST", "/v1/embeddings", "key", takes=EmbeddingRequest, answer=EmbeddingResponse)
async def embeddings(exchange: Exchange, body: dict[str, Any]) -> EmbeddingResponse:
    """Embed texts."""
    return await embed(exchange.account, body)


async def embed(account: Account, body: dict[str, Any]) -> EmbeddingResponse:
    """The vectors that a checked body asks for."""
    texts, encoding = read_texts(body["input"]), read_encoding(body.get("encoding_format"))
    call = await admitted_call(account, body, [], params_of(body), writes=False)
    predictions = await predictions_for(account.backend, call.entries, texts)
    if predictions != call.count:
        await account.admit(Demand(call.entries, predictions, body=body, writes=False))
    account.record.calling = True
    answer = await account.backend.router.aembedding(
        call.model, texts, encoding_format=encoding, **call.params
    )
    account.record.answered(answer.model, answer.replicate, None)
    answer.model = account.answered_by(call.name)
    answer.usage = PricedEmbeddingUsage(**{**msgspec.structs.asdict(answer.usage), "cost": account.cost()})
    return answer


async def predictions_for(backend: Backend, entries: Sequence[ModelEntry], texts: Sequence[str]) -> int:
    """How many predictions embed the texts, whichever entry makes them."""
    most = 1
    for entry in entries:
        schema = await backend.schema_of(entry)
        with contextlib.suppress(BadRequestError):  # it does not embed: asking it raises the error
            most = max(most, len(inputs_for(texts, {}, schema, entry.model)))
    return most
