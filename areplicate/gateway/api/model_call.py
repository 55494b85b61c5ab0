"""From a request's body to a call of a model: which models its caller may use, and what a client may set of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Annotated, Any

import msgspec

from ...calls.streams import CompletionStream
from ...chat.inputs import answer_limit
from ...chat.params import TOKEN_LIMIT
from ...chat.responses import ModelResponse
from ...chat.schemas.catalogue import common_inputs
from ...options.client_fields import read_from_client
from ...options.declared import BY_NAME
from ...options.values import MOST_CHOICES, checked_count
from ...replicate.progress import OnStatus
from ..accounts.account import Account
from ..accounts.auth import Caller
from ..accounts.costs import Demand, allowed_tokens, characters
from ..config.backend import Backend, Target
from ..config.entries import ModelEntry
from ..errors import GatewayError
from ..http.bodies import MAX_BODY

MAX_MESSAGES = 2048
"""OpenAI's own bound for `messages`."""
_HELD_TO = ("tools", "functions", "response_format")
"""What an answer must fit, and is asked for once more if it does not."""
_EACH_TURN = ("roles", "bos_token", "eos_token")
"""The options of a prompt template that are written for each message."""

ModelName = Annotated[str, msgspec.Meta(min_length=1, description="One of those that /v1/models lists.")]


class ModelRequest(msgspec.Struct, kw_only=True):
    """The fields of every request to a model."""

    model: ModelName
    stream: bool | None = None
    user: str | None = None
    temperature: float | None = None
    top_p: float | None = None


class Sampling(ModelRequest, kw_only=True):
    """The further fields of requests for text."""

    n: Annotated[int, msgspec.Meta(ge=1, le=MOST_CHOICES)] | None = None
    max_tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None


class ModelCall(msgspec.Struct, frozen=True):
    """A request as a call of the router."""

    name: str
    """The client's name for the model."""
    model: str
    messages: list[Any]
    params: dict[str, Any]
    count: int
    entries: list[ModelEntry]
    """Those that may answer it."""

    async def ask(self, account: Account) -> ModelResponse:
        """The whole answer, noted in the account; its model has the name that the client knows."""
        account.record.calling = True
        response: ModelResponse = await account.backend.router.acompletion(
            self.model, self.messages, **self.params
        )
        account.record.answered(response.model, response.replicate, response.usage)
        response.model = account.answered_by(self.name)
        response.usage = account.priced(response.usage)
        return response

    async def stream(self, account: Account, on_status: OnStatus) -> CompletionStream:
        """The answer in chunks, which the caller notes in the account's record as they come."""
        account.record.calling = True
        chunks: CompletionStream = await account.backend.router.acompletion(
            self.model, self.messages, stream=True, on_status=on_status, **self.params
        )
        return chunks


async def admitted_call(
    account: Account,
    body: dict[str, Any],
    messages: Any,
    params: dict[str, Any],
    *,
    prompts: int = 1,
    writes: bool = True,
) -> ModelCall:
    """The call in a checked body, with `messages` and `params` taken from it, once its key's limits allow it.

    That comes first: to check the parameters of a model that nobody knows, Replicate must be asked.

    Args:
        prompts: how many such calls the body asks for; they count against the limits together.
        writes: whether the answers are texts.

    Raises:
        GatewayError: 400, 404 for a model that is not there or not for this key, or 429.
    """
    backend, caller, name = account.backend, account.caller, body["model"]
    target = usable(backend, caller, name)
    account.record.model = target.name
    account.record.streamed = bool(body.get("stream"))
    fallbacks = fallbacks_for(backend, caller, target)
    entries = backend.entries_of(target, fallbacks)
    count = answers_of(params, entries)
    around = _written_around(messages, params) * prompts
    if count > 1 or around:  # each prediction is sent a prompt of its own
        account.hold_body(around * count + len(msgspec.json.encode(body)) * (count - 1))
    tries = 2 if any(map(params.get, _HELD_TO)) else 1
    demand = Demand(
        entries, count * prompts, copies=count, tries=tries, body=body, around=around, writes=writes
    )
    await account.admit(demand)
    allowed = await _allowed(backend, target, params)
    if demand.predictions > 1 and writes:
        sent = await _as_sent(backend, demand, allowed)
        if allowed_tokens(sent.body) != allowed_tokens(demand.body):
            await account.admit(sent)
    steps_in = {} if fallbacks is None else {"fallbacks": fallbacks}
    return ModelCall(name, target.model, messages, {**allowed, **steps_in}, count, entries)


def usable(backend: Backend, caller: Caller, name: str) -> Target:
    """What a name stands for, if the caller may use it; raises the `GatewayError` 404."""
    target = backend.target(name)
    if target is not None and (caller.may_use(target.name) or caller.may_use(name)):
        return target
    message = f"The model {name[:200]!r} does not exist, or your key may not use it."
    raise GatewayError(404, message, param="model", code="model_not_found")


def fallbacks_for(backend: Backend, caller: Caller, target: Target) -> list[str] | None:
    """The names that may step in for the target, for this caller; None if the target has no fallbacks.

    Models that the key may not use are left out; for a key with a budget, so are models without a price.
    """
    names = backend.config.names.fallbacks_of(target.model)
    return None if names is None else [name for name in names if _may_step_in(backend, caller, name)]


def _may_step_in(backend: Backend, caller: Caller, name: str) -> bool:
    try:
        target = usable(backend, caller, name)
    except GatewayError:
        return False
    is_counted = caller.key is not None and caller.key.max_budget is not None
    return not is_counted or all(backend.price_of(entry) is not None for entry in target.entries)


def answers_of(params: dict[str, Any], entries: Sequence[ModelEntry]) -> int:
    """How many answers a call gives: as many as it says, else as the configuration says."""
    if params.get("n") is not None:
        return checked_count(params["n"])
    return max([checked_count(entry.params.get("n")) for entry in entries])


def _written_around(messages: Any, params: dict[str, Any]) -> int:
    """Characters that a request's own prompt template writes around its messages: around each of them.

    Raises:
        GatewayError: 413, they are more than a body may have.
    """
    template = [params[name] for name in _EACH_TURN if name in params]
    if not template or not isinstance(messages, list):
        return 0
    turns = len(messages)
    count = turns * characters(template)
    if count > MAX_BODY:
        raise GatewayError(
            413,
            f"The prompt template of this request makes its {turns} messages {count >> 20} MB longer; "
            f"{MAX_BODY >> 20} MB are allowed.",
            code="request_too_large",
        )
    return count


async def _as_sent(backend: Backend, demand: Demand, params: dict[str, Any]) -> Demand:
    """A demand with the limit of tokens that holds at the models: its own may be dropped, or moved into bounds, and
    without it the configuration's or the model's own holds."""
    limits: list[int | None] = []
    for entry in demand.entries:
        schema = await backend.schema_of(entry)
        given = {**entry.params, **params}
        dropped = given.get("additional_drop_params") or ()
        kept = {name: value for name, value in given.items() if name not in dropped}
        limits.append(None if schema is None else answer_limit(kept, model=entry.model, schema=schema))
    body = {name: value for name, value in demand.body.items() if name not in TOKEN_LIMIT}
    sent = [limit for limit in limits if limit is not None]
    if len(sent) == len(limits):
        body["max_tokens"] = max(sent)
    return msgspec.structs.replace(demand, body=body)


async def _allowed(backend: Backend, target: Target, params: dict[str, Any]) -> dict[str, Any]:
    """A client's parameters as the router takes them: the options that a client may set, and the model's inputs.

    Raises:
        BadRequestError: a parameter is neither.
    """
    inputs: Collection[str] = ()
    if any(name not in BY_NAME for name in params):
        known = await backend.inputs_of(target)
        inputs = common_inputs() if known is None else known
    drop_params = bool(backend.defaults.get("drop_params"))
    return {**backend.defaults, **read_from_client(params, inputs, drop_params)}
