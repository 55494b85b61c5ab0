"""`POST /v1/embeddings`, as OpenAI's API reference has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from ...chat.embeddings import EmbeddingResponse
from ..http.exchange import Exchange
from ..http.route import route
from .model_call import ModelName, admitted_call

if TYPE_CHECKING:
    from ..app import Gateway

_NOT_PARAMS = ("model", "input", "encoding_format", "user")
_TEXT = {"type": "string", "minLength": 1}
_INPUT = {"anyOf": [_TEXT, {"type": "array", "minItems": 1, "maxItems": 2048, "items": _TEXT}]}


class EmbeddingRequest(msgspec.Struct, kw_only=True):
    """Texts to embed. Further fields are the model's own inputs, which are sent to it as they are."""

    model: ModelName
    input: Annotated[Any, msgspec.Meta(extra_json_schema=_INPUT)]
    encoding_format: Literal["float", "base64"] | None = None
    user: str | None = None


@route(
    "POST",
    "/v1/embeddings",
    "key",
    takes=EmbeddingRequest,
    answer=EmbeddingResponse,
    errors=(402, 403, 404, 408, 429, 500, 502),
)
async def embeddings(gateway: Gateway, exchange: Exchange, body: dict[str, Any]) -> EmbeddingResponse:
    """Embed texts."""
    return await embed(gateway, exchange, body)


async def embed(gateway: Gateway, exchange: Exchange, body: dict[str, Any]) -> EmbeddingResponse:
    """The vectors that a checked body asks for."""
    params = {key: value for key, value in body.items() if key not in _NOT_PARAMS}
    texts = body["input"]
    prompts = len(texts) if isinstance(texts, list) and texts else 1
    call = await admitted_call(gateway, exchange, body, [], params, prompts=prompts)
    exchange.calling = True
    answer = await exchange.backend.router.aembedding(
        call.model, texts, encoding_format=body.get("encoding_format", "float"), **call.params
    )
    exchange.answered(answer.model, answer.replicate, None)
    answer.model = call.name
    return answer
