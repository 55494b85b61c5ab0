"""`/key/...`: making, looking at, blocking and deleting virtual keys. The names are LiteLLM's."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from aiohttp import web

from ..accounts.keys import Key, hash_token, new_key_id, new_token
from ..http.bodies import read_struct
from ..http.errors import GatewayError, bad_request
from ..http.exchange import Exchange

if TYPE_CHECKING:
    from ..accounts.store import Store
    from ..app import Gateway

_DURATION = re.compile(r"([1-9][0-9]{0,8})(s|m|h|d)")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_MOST = 2**31 - 1

Count = Annotated[int, msgspec.Meta(ge=1, le=_MOST)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=r"^[^\u0000]+$")]
"""PostgreSQL keeps no NUL in a text."""


class NewKey(msgspec.Struct, forbid_unknown_fields=True):
    """What a new key may do; what is left out is not limited.

    `duration` is such as `30d`, `12h`, `90m` or `45s`; `max_budget` is in dollars.
    """

    models: Annotated[list[Name], msgspec.Meta(max_length=1000)] = []
    duration: Annotated[str, msgspec.Meta(pattern=r"^[1-9][0-9]{0,8}[smhd]$")] | None = None
    rpm_limit: Count | None = None
    max_parallel_requests: Count | None = None
    max_budget: Annotated[float, msgspec.Meta(ge=0, le=1e9)] | None = None
    key_alias: Name | None = None
    metadata: dict[str, Any] = {}


class KeyNamed(msgspec.Struct, forbid_unknown_fields=True):
    """A key, by its token or its `key_id`."""

    key: Name


class KeysNamed(msgspec.Struct, forbid_unknown_fields=True):
    """Keys, by their tokens or their `key_id`s."""

    keys: Annotated[list[Name], msgspec.Meta(min_length=1, max_length=100)]


async def generate_key(gateway: Gateway, exchange: Exchange) -> web.StreamResponse:
    """Makes a key. Its token is in this answer and never again."""
    wanted = await read_struct(exchange.request, NewKey)
    for model in wanted.models:
        if model not in exchange.backend.names:
            raise bad_request(f"{model!r} is no model of this gateway.", param="models")
    now, token = time.time(), new_token()
    key = Key(
        id=new_key_id(),
        hash=hash_token(token),
        hint=token[-4:],
        alias=wanted.key_alias,
        models=tuple(wanted.models),
        metadata=wanted.metadata,
        created_at=now,
        expires_at=now + _duration(wanted.duration) if wanted.duration is not None else None,
        rpm=wanted.rpm_limit,
        max_parallel=wanted.max_parallel_requests,
        max_budget=wanted.max_budget,
    )
    await (await gateway.store()).add_key(key)
    gateway.keyring.forget(key.hash)
    return _told(exchange, {"key": token, **_shown(key)})


async def key_info(gateway: Gateway, exchange: Exchange) -> web.StreamResponse:
    """A key by `?key=`; without it, the caller's own. Only the master key sees others'."""
    named = exchange.request.query.get("key")
    caller = exchange.caller
    if caller.key is not None and named and caller.key.id != named and caller.key.hash != hash_token(named):
        raise GatewayError(403, "Only the master key may look at other keys.", code="master_key_needed")
    if not caller.is_master and caller.key is None:
        raise GatewayError(403, "There are no keys without a master key.", code="no_master_key")
    if caller.is_master and not named:
        raise bad_request("Say which key: /key/info?key=...", param="key")
    await gateway.usage.flush()
    store = await gateway.store()
    key = await _find(store, named or (caller.key.id if caller.key is not None else ""))
    return _told(exchange, _shown(key))


async def list_keys(gateway: Gateway, exchange: Exchange) -> web.StreamResponse:
    """All keys, newest first; `?page=` and `?size=`."""
    page = whole(exchange, "page", 1, 1, 1_000_000)
    size = whole(exchange, "size", 100, 1, 1000)
    await gateway.usage.flush()
    keys, total = await (await gateway.store()).list_keys(size, (page - 1) * size)
    return _told(
        exchange, {"keys": [_shown(key) for key in keys], "total": total, "page": page, "size": size}
    )


async def delete_keys(gateway: Gateway, exchange: Exchange) -> web.StreamResponse:
    named = await read_struct(exchange.request, KeysNamed)
    store = await gateway.store()
    keys = [await _find(store, name) for name in named.keys]
    await store.delete_keys([key.id for key in keys])
    for key in keys:
        gateway.keyring.forget(key.hash)
    return _told(exchange, {"deleted_keys": [key.id for key in keys]})


async def block_key(gateway: Gateway, exchange: Exchange) -> web.StreamResponse:
    return await _set_blocked(gateway, exchange, True)


async def unblock_key(gateway: Gateway, exchange: Exchange) -> web.StreamResponse:
    return await _set_blocked(gateway, exchange, False)


async def _set_blocked(gateway: Gateway, exchange: Exchange, blocked: bool) -> web.StreamResponse:
    named = await read_struct(exchange.request, KeyNamed)
    store = await gateway.store()
    key = await _find(store, named.key)
    await store.block_key(key.id, blocked)
    gateway.keyring.forget(key.hash)
    return _told(exchange, _shown(msgspec.structs.replace(key, blocked=blocked)))


async def _find(store: Store, name: str) -> Key:
    name = name.replace("\0", "")  # which PostgreSQL does not take
    key = await (store.key_by_hash(hash_token(name)) if name.startswith("sk-") else store.key_by_id(name))
    if key is None:
        raise GatewayError(404, "There is no such key.", code="key_not_found")
    return key


def _shown(key: Key) -> dict[str, Any]:
    """A key as the API shows it: everything but its token and the token's hash."""
    return {
        "key_id": key.id,
        "key_name": f"sk-...{key.hint}",
        "key_alias": key.alias,
        "models": key.models,
        "created_at": int(key.created_at),
        "expires_at": int(key.expires_at) if key.expires_at is not None else None,
        "rpm_limit": key.rpm,
        "max_parallel_requests": key.max_parallel,
        "max_budget": key.max_budget,
        "spend": key.spend,
        "blocked": key.blocked,
        "metadata": key.metadata,
    }


def whole(exchange: Exchange, name: str, default: int, least: int, most: int) -> int:
    """A whole number from the query."""
    text = exchange.request.query.get(name)
    if text is None:
        return default
    if not re.fullmatch(r"[0-9]{1,9}", text) or not least <= int(text) <= most:
        raise bad_request(f"{name} is to be a whole number from {least} to {most}.", param=name)
    return int(text)


def _duration(text: str) -> float:
    match = _DURATION.fullmatch(text)
    assert match is not None, "the struct has checked it"
    return float(int(match[1]) * _SECONDS[match[2]])


def _told(exchange: Exchange, body: Any) -> web.StreamResponse:
    return exchange.json(msgspec.json.encode(body))
