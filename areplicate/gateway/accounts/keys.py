"""Virtual keys: what each may do, and how its token is kept."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Any

import msgspec


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """A virtual key. Times are in seconds since 1970, money in dollars; None means no limit.

    Attributes:
        id: what it is called in logs, usage rows and the admin API; no secret.
        hash: of its token, which is kept nowhere.
        hint: the token's last four characters, to tell keys apart.
        models: the model names that it may use; empty means all.
        rpm: requests a minute.
        max_parallel: requests in flight at once.
        max_budget: what it may spend in all.
        tat: the time at which its allowance of requests is full again, see `limits.take_turn`.
    """

    id: str
    hash: str
    hint: str
    alias: str | None = None
    models: tuple[str, ...] = ()
    metadata: dict[str, Any] = {}
    created_at: float
    expires_at: float | None = None
    rpm: int | None = None
    max_parallel: int | None = None
    max_budget: float | None = None
    blocked: bool = False
    spend: float = 0.0
    tat: float = 0.0

    @property
    def limited(self) -> bool:
        """Whether requests must be counted before they are let through."""
        return self.rpm is not None or self.max_parallel is not None or self.max_budget is not None


def new_token() -> str:
    """A token of 256 random bits."""
    return "sk-" + secrets.token_urlsafe(32)


def new_key_id() -> str:
    return "key-" + secrets.token_hex(8)


def hash_token(token: str) -> str:
    """What is stored of a token. A fast hash is right for it: 256 random bits cannot be guessed."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def same(one: str, other: str) -> bool:
    """Compares two hashes in a time that tells nothing about them."""
    return hmac.compare_digest(one, other)
