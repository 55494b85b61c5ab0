"""`/key/...`: making, looking at, blocking and deleting virtual keys. The names are LiteLLM's."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from ..accounts.keys import Key, hash_token, new_key_id, new_token
from ..http.errors import GatewayError, bad_request
from ..http.exchange import Exchange
from ..http.route import route
from .question import ModelNames

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

    models: ModelNames = []
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


class KeyQuery(msgspec.Struct):
    """Which key: by its token or its `key_id`. The master key must say."""

    key: Annotated[str, msgspec.Meta(min_length=1)] | None = None


class KeyPage(msgspec.Struct):
    page: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 1
    size: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100


class KeyShown(msgspec.Struct, frozen=True, kw_only=True):
    """A key as the API shows it: everything but its token and the token's hash."""

    key_id: str
    key_name: str
    key_alias: str | None
    models: tuple[str, ...]
    created_at: int
    expires_at: int | None
    rpm_limit: int | None
    max_parallel_requests: int | None
    max_budget: float | None
    spend: float
    blocked: bool
    metadata: dict[str, Any]


class NewKeyShown(KeyShown, frozen=True, kw_only=True):
    """A new key with its token, which is in this answer and never again."""

    key: str


class KeyList(msgspec.Struct, frozen=True, kw_only=True):
    keys: list[KeyShown]
    total: int
    page: int
    size: int


class KeysDeleted(msgspec.Struct, frozen=True):
    deleted_keys: list[str]


@route("POST", "/key/generate", "master", takes=NewKey, answer=NewKeyShown)
async def generate_key(gateway: Gateway, exchange: Exchange, wanted: NewKey) -> NewKeyShown:
    """Make a key; its token is shown once."""
    for model in wanted.models:
        if exchange.backend.target(model) is None:
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
    return NewKeyShown(key=token, **_shown(key))


@route("GET", "/key/info", "key", takes=KeyQuery, answer=KeyShown, errors=(404,))
async def key_info(gateway: Gateway, exchange: Exchange, asked: KeyQuery) -> KeyShown:
    """Look at a key: by `?key=`; without it, the caller's own. Only the master key sees others'."""
    named = asked.key
    caller = exchange.caller
    if caller.key is not None and named and caller.key.id != named and caller.key.hash != hash_token(named):
        raise GatewayError(403, "Only the master key may look at other keys.", code="master_key_needed")
    if not caller.is_master and caller.key is None:
        raise GatewayError(403, "There are no keys without a master key.", code="no_master_key")
    if caller.is_master and not named:
        raise GatewayError(404, "Say which key: /key/info?key=...", param="key", code="key_not_found")
    await gateway.usage.flush()
    store = await gateway.store()
    key = await _find(store, named or (caller.key.id if caller.key is not None else ""))
    return KeyShown(**_shown(key))


@route("GET", "/key/list", "master", takes=KeyPage, answer=KeyList)
async def list_keys(gateway: Gateway, exchange: Exchange, asked: KeyPage) -> KeyList:
    """List keys, newest first."""
    page, size = asked.page, asked.size
    await gateway.usage.flush()
    keys, total = await (await gateway.store()).list_keys(size, (page - 1) * size)
    return KeyList(keys=[KeyShown(**_shown(key)) for key in keys], total=total, page=page, size=size)


@route("POST", "/key/delete", "master", takes=KeysNamed, answer=KeysDeleted, errors=(404,))
async def delete_keys(gateway: Gateway, exchange: Exchange, named: KeysNamed) -> KeysDeleted:
    """Delete keys."""
    store = await gateway.store()
    keys = [await _find(store, name) for name in named.keys]
    await store.delete_keys([key.id for key in keys])
    for key in keys:
        gateway.keyring.forget(key.hash)
    return KeysDeleted([key.id for key in keys])


@route("POST", "/key/block", "master", takes=KeyNamed, answer=KeyShown, errors=(404,))
async def block_key(gateway: Gateway, exchange: Exchange, named: KeyNamed) -> KeyShown:
    """Block a key."""
    return await _set_blocked(gateway, named, True)


@route("POST", "/key/unblock", "master", takes=KeyNamed, answer=KeyShown, errors=(404,))
async def unblock_key(gateway: Gateway, exchange: Exchange, named: KeyNamed) -> KeyShown:
    """Unblock a key."""
    return await _set_blocked(gateway, named, False)


async def _set_blocked(gateway: Gateway, named: KeyNamed, blocked: bool) -> KeyShown:
    store = await gateway.store()
    key = await _find(store, named.key)
    await store.block_key(key.id, blocked)
    gateway.keyring.forget(key.hash)
    return KeyShown(**_shown(msgspec.structs.replace(key, blocked=blocked)))


async def _find(store: Store, name: str) -> Key:
    name = name.replace("\0", "")  # which PostgreSQL does not take
    key = await (store.key_by_hash(hash_token(name)) if name.startswith("sk-") else store.key_by_id(name))
    if key is None:
        raise GatewayError(404, "There is no such key.", code="key_not_found")
    return key


def _shown(key: Key) -> dict[str, Any]:
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


def _duration(text: str) -> float:
    match = _DURATION.fullmatch(text)
    assert match is not None, "the struct has checked it"
    return float(int(match[1]) * _SECONDS[match[2]])
