"""`/v1/responses`: OpenAI's Responses API.

Source: "Responses" in OpenAI's API reference. Responses are kept where `general_settings.store_responses` says
so; else a conversation's earlier turns must be sent along.
"""

from __future__ import annotations

import time
from functools import partial
from operator import itemgetter
from typing import Annotated, Any, Literal

import msgspec

from ...chat.apis.answer_builder import Event
from ...chat.apis.chat_arguments import ChatArguments, count_tokens, text, wrong
from ...chat.apis.responses_input import input_items, read_request
from ...chat.apis.responses_output import ResponseBuilder, new_id
from ..accounts.response_store import ResponseStore, StoredResponse
from ..errors import GatewayError, bad_request, no_such
from ..http.bodies import MAX_BODY
from ..http.exchange import Exchange
from ..http.route import route
from ..logs import logger
from .fields import ListPage, Text
from .model_call import MAX_MESSAGES, ModelRequest, admitted_call, usable
from .streaming import relay

_MAX_ID = 256
"""Characters of an item's id: PostgreSQL takes no long text into an index."""


class ResponseRequest(ModelRequest, kw_only=True):
    """A conversation: a text, or a list of messages, calls of functions and their outputs.

    OpenAI's own tools, such as `web_search`, are left out; so is what a model has no input for, unless `drop_params` is
    false.
    """

    input: Any
    instructions: str | None = None
    max_output_tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None
    metadata: dict[str, str] | None = None
    parallel_tool_calls: bool | None = None
    previous_response_id: Text | None = None
    reasoning: dict[str, Any] | None = None
    store: bool | None = None
    text: dict[str, Any] | None = None
    tools: list[dict[str, Any]] | None = None
    truncation: Literal["auto", "disabled"] | None = None


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a conversation."""

    id: str
    object: Literal["response"]
    created_at: int
    status: str
    model: str
    output: list[dict[str, Any]]
    tools: list[dict[str, Any]]
    usage: dict[str, Any] | None


class ItemQuery(msgspec.Struct, kw_only=True):
    """Which items: those behind the item `after`, newest first."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=100)] = 20
    order: Literal["asc", "desc"] = "desc"
    after: str | None = None


class DeletedResponse(msgspec.Struct, frozen=True):
    """What is not kept any longer."""

    id: str
    object: Literal["response"] = "response"
    deleted: bool = True


class InputTokens(msgspec.Struct, frozen=True, kw_only=True):
    """About how many tokens the model reads: each model's own tokenizer would say something else."""

    object: Literal["response.input_tokens"] = "response.input_tokens"
    input_tokens: int


@route("POST", "/v1/responses", "key", takes=ResponseRequest, answer=Response, streams=True)
async def responses(exchange: Exchange, body: dict[str, Any]) -> Any:
    """Answer a conversation, as OpenAI's Responses API does."""
    asked, resolved, earlier = await _read(exchange, body)
    whole = {**body, "input": [*earlier, *resolved]}  # what is stored of it is paid again
    call = await admitted_call(exchange.account, whole, asked.messages, {"drop_params": True, **asked.params})
    kept = exchange.backend.config.general.store_responses and body.get("store") is not False
    builder = ResponseBuilder(new_id("resp"), int(time.time()), call.name, whole, stored=kept)

    async def keep() -> None:
        general, stored = exchange.backend.config.general, StoredResponse(builder.answer, resolved, earlier)
        most = round(general.max_stored_mb * 1e6)
        try:
            store = await _store(exchange, "store")
            await store.keep(exchange.caller.key_id, stored, general.stored_responses_seconds, most)
        except Exception as error:  # the answer is paid, and is not lost with the database
            logger.error("%s is not stored: %s", builder.answer["id"], error)
            builder.answer["store"] = False

    return await relay(exchange, call, builder, partial(_failed, builder), before_end=keep if kept else None)


def _failed(builder: ResponseBuilder, failure: GatewayError) -> list[Event]:
    return builder.failed(failure.status, msgspec.to_builtins(failure.detail()))


@route("POST", "/v1/responses/input_tokens", "key", takes=ResponseRequest, answer=InputTokens)
async def count_input_tokens(exchange: Exchange, body: dict[str, Any]) -> InputTokens:
    """Estimate how many tokens the model reads."""
    usable(exchange.backend, exchange.caller, body["model"])
    asked, _, _ = await _read(exchange, body)
    return InputTokens(input_tokens=count_tokens(asked))


@route("GET", "/v1/responses/{id}", "key", answer=Response)
async def get_response(exchange: Exchange) -> dict[str, Any]:
    """Look at a response that is kept."""
    if exchange.request.query.get("stream", "").lower() == "true":
        raise bad_request(
            "stream must not be true: what is kept is a whole response, not its events.", param="stream"
        )
    return (await _find(exchange, exchange.rest)).response


@route("GET", "/v1/responses/{id}/input_items", "key", takes=ItemQuery, answer=ListPage)
async def list_input_items(exchange: Exchange, asked: ItemQuery) -> ListPage:
    """List what a response that is kept was asked with."""
    stored = await _find(exchange, exchange.rest)
    id_of = itemgetter("id")
    items = stored.input if asked.order == "asc" else stored.input[::-1]
    if asked.after is not None:
        ids = [id_of(item) for item in items]
        if asked.after not in ids:
            raise no_such("item", asked.after, "after")
        items = items[ids.index(asked.after) + 1 :]
    return ListPage.of(items, asked.limit, id_of)


@route("DELETE", "/v1/responses/{id}", "key", answer=DeletedResponse, changes=True)
async def delete_response(exchange: Exchange) -> DeletedResponse:
    """Forget a response that is kept."""
    store = await _store(exchange, "id")
    if not await store.forget(exchange.caller.key_id, exchange.rest):
        raise no_such("response", exchange.rest)
    return DeletedResponse(exchange.rest)


async def _read(exchange: Exchange, body: dict[str, Any]) -> tuple[ChatArguments, list[Any], list[Any]]:
    """What is asked, the items that it is asked with, and those of the conversation before."""
    items = [_as_kept(f"input[{index}]", item) for index, item in enumerate(input_items(body))]
    earlier = await _earlier(exchange, body.get("previous_response_id"))
    referred = await _referred(exchange, items)
    exchange.account.hold_body(_stored_size(earlier, items, referred))
    asked = read_request({**body, "input": items}, earlier, referred.get)
    return asked, [referred.get(item["id"], item) for item in items], earlier


def _as_kept(place: str, item: Any) -> Any:
    """An item by whose id it can be found again, with all that OpenAI gives it back with."""
    if not isinstance(item, dict):
        return item
    id = item.get("id")
    if id and (len(text(f"{place}.id", id)) > _MAX_ID or "\0" in id):
        wrong(f"{place}.id", f"must have at most {_MAX_ID} characters, none of them NUL")
    kind = text(
        f"{place}.type", item.get("type") or ("item_reference" if item.keys() == {"id"} else "message")
    )
    if kind == "item_reference":
        return {**item, "id": text(f"{place}.id", id)}
    kept = {**item, "type": kind, "id": id or new_id("msg" if kind == "message" else "item")}
    if kind == "message" or kind.endswith(("_call", "_output")):
        kept["status"] = item.get("status") or "completed"
    if kind == "message" and isinstance(content := item.get("content"), str):
        part = "output_text" if item.get("role") == "assistant" else "input_text"
        content = [{"type": part, "text": content}]
    if kind == "message" and isinstance(content, list):
        kept["content"] = list(map(_part_as_kept, content))
    return kept


def _part_as_kept(part: Any) -> Any:
    match part:
        case {"type": "output_text"}:
            return {"annotations": [], **part}
        case {"type": "input_image"}:
            return {"detail": "auto", **part}
    return part


async def _store(exchange: Exchange, param: str) -> ResponseStore:
    """The stored responses; raises the `GatewayError` 400 if none are stored here."""
    if not exchange.backend.config.general.store_responses:
        raise bad_request(
            f"{param} cannot be used: responses are not stored here. Send the earlier turns in input, or set "
            "general_settings.store_responses in the gateway's configuration.",
            param=param,
        )
    return (await exchange.gateway.accounts.store()).responses


def _stored_size(earlier: list[Any], items: list[Any], referred: dict[str, Any]) -> int:
    """The bytes of what is stored; refuses what a few items, referred to often enough, would make of a small body."""
    sizes = {id: len(msgspec.json.encode(item)) for id, item in referred.items()}
    size = sum(sizes.get(item["id"], 0) for item in items if isinstance(item, dict))
    size += len(msgspec.json.encode(earlier))
    _check_size(size)
    return size


def _check_size(size: int) -> None:
    if size > MAX_BODY:
        raise GatewayError(
            413,
            f"What is stored of this conversation is larger than {MAX_BODY >> 20} MB: send the turns that matter "
            "in input.",
            code="request_too_large",
        )


async def _find(exchange: Exchange, id: str, param: str = "id") -> StoredResponse:
    def hold(size: int) -> None:
        exchange.account.hold_body(min(size, MAX_BODY))

    stored = await (await _store(exchange, param)).find(exchange.caller.key_id, id, hold)
    if stored is None:
        raise no_such("response", id, param)
    return stored


async def _earlier(exchange: Exchange, id: str | None) -> list[Any]:
    """The conversation up to the response that a request goes on from."""
    if not id:
        return []
    stored = await _find(exchange, id, "previous_response_id")
    return [*stored.earlier, *stored.input, *stored.response["output"]]


async def _referred(exchange: Exchange, items: list[Any]) -> dict[str, Any]:
    """The items that a request refers to, as far as they are kept."""
    ids = [
        item["id"]
        for item in items
        if isinstance(item, dict)
        and isinstance(item.get("id"), str)
        and (item.get("type") == "item_reference" or item.keys() == {"id"})
    ]
    if not ids or not exchange.backend.config.general.store_responses:
        return {}
    if len(ids) > MAX_MESSAGES:
        raise bad_request(f"input refers to {len(ids)} items; {MAX_MESSAGES} are allowed.", param="input")
    return await (await _store(exchange, "input")).find_items(exchange.caller.key_id, ids, _check_size)
