"""Virtual keys: what each may do, and how its token is kept."""

from __future__ import annotations

import hashlib
import math
import secrets
from typing import Annotated, Any, Literal

import msgspec

Role = Literal["user", "metrics", "health"]
"""What a key may do: ask models; read `/metrics`; read `/health`."""

Count = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
Dollars = Annotated[float, msgspec.Meta(ge=0, le=1e9)]


def says(description: str) -> msgspec.Meta:
    """What a field means, for the OpenAPI document and the command line."""
    return msgspec.Meta(description=description)


class KeyLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What a key may do; null means that it is not limited.

    The names are those of the admin API, of the command line's options and of the table's columns.
    `key_limits.LIMITS` says how each is counted.
    """

    rpm_limit: Annotated[Count, says("Predictions that may be started in any minute.")] | None = None
    tpm_limit: Annotated[Count, says("Tokens of prompts and answers in any minute.")] | None = None
    max_parallel_requests: Annotated[Count, says("Predictions in flight at once.")] | None = None
    max_budget: (
        Annotated[Dollars, says("US dollars that it may spend: in all, or in each budget_duration.")] | None
    ) = None

    @property
    def limited(self) -> bool:
        """Whether requests must be counted before they are let through."""
        return any(getattr(self, name) is not None for name in KeyLimits.__struct_fields__)


class Key(KeyLimits, frozen=True, kw_only=True):
    """A virtual key, as it is stored. Times are in seconds since 1970, by the database's clock.

    Attributes:
        id: what it is called in logs, usage rows and the admin API; no secret.
        hash: of its token, which is kept nowhere.
        hint: the token's last four characters, to tell keys apart.
        models: the model names that it may use; empty means all.
        budget_duration: seconds after which its budget renews; `budget_resets_at`: when it does next.
        spend: dollars, of the present `budget_duration` if it has one.
    """

    id: str
    hash: str
    hint: str
    alias: str | None = None
    role: Role = "user"
    models: tuple[str, ...] = ()
    metadata: dict[str, Any] = {}
    created_at: float
    expires_at: float | None = None
    budget_duration: float | None = None
    budget_resets_at: float | None = None
    blocked: bool = False
    spend: float = 0.0

    def renewed(self, now: float) -> Key:
        """The key with its budget renewed, if that is due."""
        resets = renewal(self.budget_resets_at, self.budget_duration, now)
        if resets == self.budget_resets_at:
            return self
        return msgspec.structs.replace(self, spend=0.0, budget_resets_at=resets)


def renewal(resets_at: float | None, duration: float | None, now: float) -> float | None:
    """When a budget renews next: `resets_at`, or whole durations later if that has passed."""
    if resets_at is None or duration is None or now < resets_at:
        return resets_at
    renews = resets_at + duration * (math.floor((now - resets_at) / duration) + 1)
    return renews if renews > now else renews + duration


def new_token() -> str:
    """A token of 256 random bits."""
    return "sk-" + secrets.token_urlsafe(32)


def new_key_id() -> str:
    return "key-" + secrets.token_hex(8)


def kept_of(token: str) -> dict[str, Any]:
    """The fields of a key that its token gives; the token itself is kept nowhere."""
    return {"hash": hash_token(token), "hint": token[-4:]}


def hash_token(token: str) -> str:
    """A fast hash is right for it: 256 random bits cannot be guessed."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
