"""Who is asking: the master key, a virtual key, or anybody if there is no master key."""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from functools import partial
from hmac import compare_digest
from typing import Literal, TypeVar

import anyio
import msgspec

from ..errors import DatabaseUnavailable, GatewayError, no_master_key
from .keys import Key, hash_token

T = TypeVar("T")
Access = Literal["anyone", "key", "master", "metrics", "health"]
"""Who may call a route. `metrics` and `health` are for the master key, and for keys of that role."""

_FRESH = 4.0
"""Seconds for which a key is remembered: what another process blocks or deletes is refused within five."""
_STRANGERS = 4
"""Tokens that are looked up at once and were not known before. The database does eight things at once: thousands of
such tokens do not keep it from those who have keys."""
_PATIENCE = 2.0
"""Seconds for which such a look-up waits for its turn."""
_MOST_REMEMBERED = 10_000
"""How many keys are remembered, and how many unknown tokens: apart, so that random tokens push out no key."""


class Caller(msgspec.Struct, frozen=True):
    """Who sent a request: `key` is None for the master key and if no key is needed."""

    key: Key | None = None
    is_master: bool = False

    def may_use(self, model: str) -> bool:
        return self.key is None or not self.key.models or model in self.key.models

    def may_call(self, access: Access) -> bool:
        """Whether it may call a route of that kind."""
        if access == "anyone" or self.is_master:
            return True
        if self.key is None:  # there is no master key, so that nobody manages keys
            return access != "master"
        return access == ("key" if self.key.role == "user" else self.key.role)

    @property
    def key_id(self) -> str | None:
        return self.key.id if self.key is not None else None


ANYBODY = Caller()
MASTER = Caller(is_master=True)


class Auth(msgspec.Struct):
    """Recognises callers by their tokens."""

    master: str | None
    """The master key's hash; None if there is no such key, and none is needed."""
    look_up: Callable[[str], Awaitable[Key | None]]
    """The key with a hash, from the database."""
    now: Callable[[], float]
    """The time by the database's clock."""
    grace: float
    """Seconds for which a key that was seen keeps working while the database does not answer."""
    _keys: OrderedDict[str, tuple[float, Key]] = msgspec.field(default_factory=OrderedDict)
    _unknown: OrderedDict[str, float] = msgspec.field(default_factory=OrderedDict)
    """When each was last looked up, by the tokens' hashes."""
    _turns: asyncio.Semaphore = msgspec.field(default_factory=partial(asyncio.Semaphore, _STRANGERS))
    _changes: int = 0
    """How often keys have been changed here: what was read before a change is not remembered after it."""

    @property
    def open(self) -> bool:
        """Whether no key is needed."""
        return self.master is None

    async def caller(self, token: str | None) -> Caller:
        """The caller with this token; raises the `GatewayError` 401 for one that is not known."""
        if self.master is None:
            return ANYBODY
        if not token:
            raise unauthenticated("The request has no API key: send one as Authorization: Bearer sk-...")
        hash = hash_token(token)
        if compare_digest(hash, self.master):
            return MASTER
        key = await self._find(hash)
        if key is None or not compare_digest(hash, key.hash):
            raise unauthenticated("This API key is not known here.")
        return Caller(key)

    def check(self, caller: Caller, access: Access) -> None:
        """Raises the `GatewayError` 401 or 403 if the caller may not call a route of that kind."""
        key = caller.key
        if key is not None and key.expires_at is not None and key.expires_at <= self.now():
            raise unauthenticated("This API key has expired.")
        if key is not None and key.blocked:
            raise GatewayError(403, "This API key is blocked.", code="key_blocked")
        if caller.may_call(access):
            return
        if self.open:
            raise no_master_key()
        if access == "key" and key is not None:
            raise GatewayError(
                403, f"This key is for {key.role} only: it may not ask models.", code="key_role"
            )
        also = f", or a key with the role {access}" if access in ("metrics", "health") else ""
        raise GatewayError(403, f"This needs the master key{also}.", code="master_key_needed")

    def forget(self, *hashes: str) -> None:
        """The keys have changed: they are read from the database again when they are next used."""
        self._changes += 1
        for hash in hashes:
            self._drop(hash)

    def _drop(self, hash: str) -> None:
        self._keys.pop(hash, None)
        self._unknown.pop(hash, None)

    async def _find(self, hash: str) -> Key | None:
        if hash in self._keys or self._is_unknown(hash):
            return await self._read(hash)
        with anyio.move_on_after(_PATIENCE) as waiting:
            await self._turns.acquire()
        if waiting.cancelled_caught:
            raise DatabaseUnavailable("too many unknown keys are looked up")
        try:
            return await self._read(hash)
        finally:
            self._turns.release()

    def _is_unknown(self, hash: str) -> bool:
        """Whether there was no such key a moment ago."""
        return time.monotonic() - self._unknown.get(hash, -math.inf) < _FRESH

    async def _read(self, hash: str) -> Key | None:
        """The key as the database has it, or as somebody has just read it."""
        asked, changes = time.monotonic(), self._changes
        known = self._keys.get(hash)
        if known is not None and asked - known[0] < _FRESH:
            return known[1]
        if self._is_unknown(hash):
            return None
        try:
            key = await self.look_up(hash)
        except DatabaseUnavailable:
            if known is not None and asked - known[0] < self.grace:
                return known[1]
            raise
        if changes != self._changes:
            return key
        self._drop(hash)
        if key is None:
            _remember(self._unknown, hash, asked)
        else:
            _remember(self._keys, hash, (asked, key))
        return key


def hash_master(key: str | None) -> str | None:
    """The `Auth.master` of a configuration's master key."""
    return None if key is None else hash_token(key)


def _remember(among: OrderedDict[str, T], hash: str, what: T) -> None:
    among[hash] = what
    if len(among) > _MOST_REMEMBERED:
        among.popitem(last=False)


def unauthenticated(message: str) -> GatewayError:
    return GatewayError(401, message, code="invalid_api_key", headers={"WWW-Authenticate": "Bearer"})
