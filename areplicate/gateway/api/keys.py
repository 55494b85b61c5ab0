"""`/key/...`: making, changing, looking at, blocking and deleting virtual keys. The names are LiteLLM's."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Annotated, Any, get_type_hints

import msgspec

from ..accounts.keys import Key, KeyLimits, Role, hash_token, kept_of, new_key_id, new_token, says
from ..accounts.store import Store
from ..accounts.tables import AuditRow
from ..errors import GatewayError, bad_request, no_master_key
from ..http.exchange import Exchange
from ..http.route import route
from .fields import Duration, Text, in_whole_seconds, seconds_of, shown_duration

Name = Annotated[Text, msgspec.Meta(min_length=1, max_length=200)]


class NewKey(KeyLimits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a new key may do; what is left out is not limited."""

    models: Annotated[
        tuple[str, ...],
        msgspec.Meta(max_length=1000),
        says("The models that it may use, fallbacks included; empty for all."),
    ] = ()
    duration: Annotated[Duration, says("After which it expires.")] | None = None
    budget_duration: (
        Annotated[Duration, says("After which what it has spent counts from 0 again.")] | None
    ) = None
    key_alias: Annotated[Name, says("What people call it.")] | None = None
    role: Annotated[
        Role,
        says("user asks models; metrics reads /metrics, health reads /health, and neither anything else."),
    ] = "user"
    metadata: Annotated[dict[str, Any], says("Whatever you want to keep with it.")] = msgspec.field(
        default_factory=dict
    )


KeyChanges = msgspec.defstruct(
    "KeyChanges",
    [
        ("key", Name),
        *(
            (name, kind | msgspec.UnsetType, msgspec.UNSET)
            for name, kind in get_type_hints(NewKey, include_extras=True).items()
        ),
    ],
    forbid_unknown_fields=True,
)
KeyChanges.__doc__ = "What to change of a key, named by its token or its `key_id`; null takes a limit away."


class KeyNamed(msgspec.Struct, forbid_unknown_fields=True):
    """A key, by its token or its `key_id`."""

    key: Name


class KeysNamed(msgspec.Struct, forbid_unknown_fields=True):
    """Keys, by their tokens or their `key_id`s."""

    keys: Annotated[list[Name], msgspec.Meta(min_length=1, max_length=100)]


class KeyQuery(msgspec.Struct):
    """Which key: by its token or its `key_id`. The master key must give one."""

    key: Name | None = None


class KeyPage(msgspec.Struct, forbid_unknown_fields=True):
    page: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 1
    size: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100


class AuditQuery(KeyPage, forbid_unknown_fields=True):
    """Changes of one key, by its token or its `key_id`; of all keys if none is given."""

    key: Name | None = None


class KeyShown(KeyLimits, frozen=True, kw_only=True):
    """A key as the API shows it: everything but its token and the token's hash."""

    key_id: str
    key_name: str
    key_alias: str | None
    role: Role
    models: tuple[str, ...]
    created_at: int
    expires_at: int | None
    budget_duration: str | None
    budget_resets_at: int | None
    spend: float
    blocked: bool
    metadata: dict[str, Any]


class NewKeyShown(KeyShown, frozen=True, kw_only=True):
    """A key with its new token, which is in this answer and never again."""

    key: str


class KeyList(msgspec.Struct, frozen=True, kw_only=True):
    keys: list[KeyShown]
    total: int
    page: int
    size: int


class KeysDeleted(msgspec.Struct, frozen=True):
    deleted_keys: list[str]


class AuditList(msgspec.Struct, frozen=True):
    """Who did what to which key, the latest first."""

    data: list[AuditRow]


@route("POST", "/key/generate", "master", takes=NewKey, answer=NewKeyShown, changes=True)
async def generate_key(exchange: Exchange, wanted: NewKey) -> NewKeyShown:
    """Make a key; its token is shown once."""
    store, token = await exchange.gateway.accounts.store(), new_token()
    terms, now = _terms(exchange, msgspec.structs.asdict(wanted)), exchange.gateway.accounts.now()
    key = Key(id=new_key_id(), created_at=now, **kept_of(token), **terms)
    await store.keys.add(key, _entry(exchange, key.id, terms))
    exchange.gateway.accounts.auth.forget(key.hash)
    return _with_token(key, token)


@route("POST", "/key/update", "master", takes=KeyChanges, answer=KeyShown, changes=True)
async def update_key(exchange: Exchange, wanted: Any) -> KeyShown:
    """Change what a key may do; what is left out stays as it is."""
    given = msgspec.to_builtins(wanted)  # without what is left out
    return _shown(await _change(exchange, given.pop("key"), _terms(exchange, given)))


@route("POST", "/key/regenerate", "master", takes=KeyNamed, answer=NewKeyShown, changes=True)
async def regenerate_key(exchange: Exchange, named: KeyNamed) -> NewKeyShown:
    """Give a key a new token; the old one ends, and all else stays. It is shown once."""
    token = new_token()
    return _with_token(await _change(exchange, named.key, kept_of(token)), token)


@route("GET", "/key/info", "key", takes=KeyQuery, answer=KeyShown)
async def key_info(exchange: Exchange, asked: KeyQuery) -> KeyShown:
    """Look at a key: by `?key=`; without it, the caller's own. Only the master key sees others'."""
    named, own = asked.key, exchange.caller.key
    if own is not None:
        if named is not None and named != own.id and hash_token(named) != own.hash:
            raise GatewayError(403, "Only the master key may look at other keys.", code="master_key_needed")
        named = own.id
    elif not exchange.caller.is_master:
        raise no_master_key()
    elif named is None:
        raise GatewayError(404, "Say which key: /key/info?key=...", param="key", code="key_not_found")
    await exchange.gateway.accounts.up_to_date()
    return _shown(await _find(await exchange.gateway.accounts.store(), named))


@route("GET", "/key/list", "master", takes=KeyPage, answer=KeyList)
async def list_keys(exchange: Exchange, asked: KeyPage) -> KeyList:
    """List keys, newest first."""
    page, size = asked.page, asked.size
    await exchange.gateway.accounts.up_to_date()
    keys, total = await (await exchange.gateway.accounts.store()).keys.page(size, (page - 1) * size)
    return KeyList(keys=[_shown(key) for key in keys], total=total, page=page, size=size)


@route("POST", "/key/delete", "master", takes=KeysNamed, answer=KeysDeleted, changes=True)
async def delete_keys(exchange: Exchange, named: KeysNamed) -> KeysDeleted:
    """Delete keys."""
    store = await exchange.gateway.accounts.store()
    keys = [await _find(store, name) for name in named.keys]
    ids = list(dict.fromkeys(key.id for key in keys))
    deleted = await store.keys.delete([_entry(exchange, id, {}) for id in ids])
    exchange.gateway.accounts.auth.forget(*(key.hash for key in keys))
    if not deleted:  # somebody else has done so meanwhile
        raise _no_key()
    return KeysDeleted(deleted)


@route("POST", "/key/block", "master", takes=KeyNamed, answer=KeyShown, changes=True)
async def block_key(exchange: Exchange, named: KeyNamed) -> KeyShown:
    """Block a key."""
    return _shown(await _change(exchange, named.key, {"blocked": True}))


@route("POST", "/key/unblock", "master", takes=KeyNamed, answer=KeyShown, changes=True)
async def unblock_key(exchange: Exchange, named: KeyNamed) -> KeyShown:
    """Unblock a key."""
    return _shown(await _change(exchange, named.key, {"blocked": False}))


@route("GET", "/key/audit", "master", takes=AuditQuery, answer=AuditList)
async def audit_keys(exchange: Exchange, asked: AuditQuery) -> AuditList:
    """Who did what to which key, the latest first."""
    store = await exchange.gateway.accounts.store()
    named = None if asked.key is None else await key_id_of(store, asked.key)
    return AuditList(await store.keys.audit_rows(asked.size, (asked.page - 1) * asked.size, named))


async def key_id_of(store: Store, name: str) -> str:
    """The `key_id` of a key named by its token; anything else is taken for a `key_id` already."""
    if not name.startswith("sk-"):
        return name
    key = await store.keys.by_hash(hash_token(name))
    return name if key is None else key.id


async def _change(exchange: Exchange, name: str, changes: dict[str, Any]) -> Key:
    store = await exchange.gateway.accounts.store()
    before = await _find(store, name)
    hash = before.hash if name.startswith("sk-") else None
    key = await store.keys.change(before.id, changes, _entry(exchange, before.id, changes), hash)
    if key is None:
        raise _no_key()
    exchange.gateway.accounts.auth.forget(before.hash, key.hash)
    return key


async def _find(store: Store, name: str) -> Key:
    key = await (store.keys.by_hash(hash_token(name)) if name.startswith("sk-") else store.keys.by_id(name))
    if key is None:
        raise _no_key()
    return key


def _no_key() -> GatewayError:
    return GatewayError(404, "This key does not exist.", code="key_not_found")


def _terms(exchange: Exchange, given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a `Key` that a request gives."""
    terms, now = dict(given), exchange.gateway.accounts.now()
    for model in terms.get("models", ()):
        if not exchange.backend.has_name(model):
            raise bad_request(
                f"{model!r} is not a model of this gateway: /v1/models lists them.", param="models"
            )
    if "key_alias" in terms:
        terms["alias"] = terms.pop("key_alias")
    if "duration" in terms:
        duration = terms.pop("duration")
        terms["expires_at"] = None if duration is None else now + seconds_of(duration)
    if "budget_duration" in terms:
        period = terms["budget_duration"]
        seconds = terms["budget_duration"] = None if period is None else seconds_of(period)
        terms["budget_resets_at"] = None if seconds is None else now + seconds
    return terms


def _entry(exchange: Exchange, key_id: str, changed: Mapping[str, Any]) -> AuditRow:
    """What the audit table keeps of the request; no secret and no hash of one."""
    return AuditRow(
        id=secrets.token_hex(12),
        at=0.0,
        actor="master key" if exchange.caller.is_master else exchange.caller.key_id or "",
        address=exchange.request.remote,
        action=exchange.account.record.endpoint.rpartition("/")[2],
        key_id=key_id,
        changed={name: value for name, value in changed.items() if name not in ("hash", "hint")},
        request_id=exchange.account.record.request_id,
    )


def _shown(key: Key) -> KeyShown:
    """A key as the API shows it: the conversion leaves out what that has not, such as the hash of its token."""
    shown = {
        **in_whole_seconds(msgspec.structs.asdict(key)),
        "key_id": key.id,
        "key_name": f"sk-...{key.hint}",
        "key_alias": key.alias,
        "budget_duration": shown_duration(key.budget_duration),
    }
    return msgspec.convert(shown, KeyShown)


def _with_token(key: Key, token: str) -> NewKeyShown:
    return NewKeyShown(key=token, **msgspec.structs.asdict(_shown(key)))
