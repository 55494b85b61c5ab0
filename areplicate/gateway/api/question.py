"""From a request's body to a question for the router: what a client may say, and what only the
configuration may."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from ...chat.responses import ModelResponse
from ...replicate.progress import OnStatus
from ...streams import CompletionStream
from ..accounts.account import Demand
from ..http.errors import GatewayError, bad_request
from ..http.exchange import Exchange

if TYPE_CHECKING:
    from ..app import Gateway

MAX_MESSAGES = 2048
"""OpenAI's own bound for `messages`."""
MAX_CHOICES = 128

RESERVED = frozenset(
    (
        *("api_key", "api_base", "extra_headers", "extra_body", "timeout", "num_retries", "on_status"),
        *("chat_template", "allow_files", "self", "template"),
    )
)
"""The router's own arguments that are not for clients: `api_base` in a request would send the
gateway's key wherever the client likes, and a `chat_template` is a program."""


ModelName = Annotated[str, msgspec.Meta(min_length=1, extra_json_schema={"x-names-models": True})]
"""A name of the configuration, which the OpenAPI document lists for those who may use it."""
ModelNames = Annotated[list[str], msgspec.Meta(max_length=1000, extra_json_schema={"x-names-models": True})]


class ModelRequest(msgspec.Struct, kw_only=True):
    """What every request to a model may say."""

    model: ModelName
    stream: bool | None = None
    user: str | None = None
    temperature: float | None = None
    top_p: float | None = None


class Sampling(ModelRequest, kw_only=True):
    """What requests for text may say besides."""

    n: Annotated[int, msgspec.Meta(ge=1, le=MAX_CHOICES)] | None = None
    max_tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None


class Question(msgspec.Struct, frozen=True):
    """What the router is asked."""

    model: str
    messages: list[Any]
    params: dict[str, Any]
    count: int = 1

    async def ask(self, exchange: Exchange) -> ModelResponse:
        """The whole answer, noted in the exchange, by the name that the client knows the model by."""
        exchange.calling = True
        response: ModelResponse = await exchange.backend.router.acompletion(
            self.model, self.messages, **self.params
        )
        exchange.answered(response.model, response.replicate, response.usage)
        return msgspec.structs.replace(response, model=self.model)

    async def stream(self, exchange: Exchange, on_status: OnStatus) -> CompletionStream:
        """The answer in chunks, which whoever reads them notes in the exchange."""
        exchange.calling = True
        chunks: CompletionStream = await exchange.backend.router.acompletion(
            self.model, self.messages, stream=True, on_status=on_status, **self.params
        )
        return chunks


async def question_of(
    gateway: Gateway,
    exchange: Exchange,
    body: dict[str, Any],
    messages: Any,
    params: dict[str, Any],
    *,
    prompts: int = 1,
) -> Question:
    """The question in a checked body, with `messages` and `params` taken from it, once its key's limits allow it.

    `prompts` is how many such questions the body asks; they count against the limits together.

    Raises:
        GatewayError: 400, 404 for a model that is not there or not for this key, or 429.
    """
    name = body["model"]
    entries = exchange.backend.names.get(name)
    if entries is None or not exchange.caller.may_use(name):
        raise no_model(name)
    exchange.model = name
    exchange.streamed = bool(body.get("stream"))
    count = params.get("n", 1) * prompts
    for key in params:
        if key in RESERVED or key.startswith("_"):
            raise bad_request(f"{key} is set in the gateway's configuration, not in requests.", param=key)
    await exchange.account.admit(Demand(entries[0], count))
    return Question(name, messages, {**exchange.backend.defaults, **params}, count)


def no_model(name: str) -> GatewayError:
    return GatewayError(
        404,
        f"The model {name[:200]!r} does not exist, or your key may not use it.",
        param="model",
        code="model_not_found",
    )
