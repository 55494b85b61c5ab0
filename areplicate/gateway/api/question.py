"""From a request's body to a question for the router: what a client may say, and what only the
configuration may."""

from __future__ import annotations

from types import NoneType
from typing import TYPE_CHECKING, Any

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
    """The question in a body, with `messages` and `params` taken from it, once its key's limits allow it.

    `prompts` is how many such questions the body asks; they count against the limits together.

    Raises:
        GatewayError: 400, 404 for a model that is not there or not for this key, or 429.
    """
    name = body.get("model")
    if not isinstance(name, str) or not name:
        raise bad_request(
            "model is missing: give the name of a model, as /v1/models lists them.", param="model"
        )
    entries = exchange.backend.names.get(name)
    if entries is None or not exchange.caller.may_use(name):
        raise no_model(name)
    exchange.model = name
    exchange.streamed = flag(body, "stream")
    _check_messages(messages)
    count = _count(params) * prompts
    _check_options(params)
    for key in params:
        if key in RESERVED or key.startswith("_"):
            raise bad_request(f"{key} is set in the gateway's configuration, not in requests.", param=key)
    await exchange.account.admit(Demand(entries[0], count))
    return Question(name, messages, {**exchange.backend.defaults, **params}, count)


def flag(body: dict[str, Any], name: str) -> bool:
    value = body.get(name)
    if value is None or isinstance(value, bool):
        return bool(value)
    raise bad_request(f"{name} is to be true or false.", param=name)


def no_model(name: str) -> GatewayError:
    return GatewayError(
        404,
        f"The model {name[:200]!r} does not exist, or your key may not use it.",
        param="model",
        code="model_not_found",
    )


def _check_messages(messages: Any) -> None:
    if not isinstance(messages, list) or not messages:
        raise bad_request(
            'messages is to be a list such as [{"role": "user", "content": "Hello"}].', param="messages"
        )
    if len(messages) > MAX_MESSAGES:
        raise bad_request(
            f"There are {len(messages)} messages; {MAX_MESSAGES} are allowed.", param="messages"
        )


def _check_options(params: dict[str, Any]) -> None:
    """What the model does not see, and the router would take as it is."""
    options = params.get("stream_options")
    if options is not None:
        if not isinstance(options, dict):
            raise bad_request("stream_options is to be an object.", param="stream_options")
        flag(options, "include_usage")
    if not isinstance(params.get("user"), (str, NoneType)):
        raise bad_request("user is to be a text.", param="user")


def _count(params: dict[str, Any]) -> int:
    n = params.get("n")
    if n is None:
        return 1
    if isinstance(n, float) and n.is_integer():  # 2.0 is a whole number in JSON
        n = params["n"] = int(n)
    if isinstance(n, bool) or not isinstance(n, int) or not 1 <= n <= MAX_CHOICES:
        raise bad_request(f"n is to be a whole number from 1 to {MAX_CHOICES}.", param="n")
    return n
