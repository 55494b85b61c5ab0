"""Which models a caller may use: the one that is asked for, and those that step in for it."""

from __future__ import annotations

from ..accounts.auth import Caller
from ..config.backend import Backend, Target
from ..errors import GatewayError


def usable(backend: Backend, caller: Caller, name: str) -> Target:
    """What a name stands for, if the caller may use it; raises the `GatewayError` 404."""
    target = _usable(backend, caller, name)
    if target is None:
        raise GatewayError(
            404,
            f"The model {name[:200]!r} does not exist, or your key may not use it.",
            param="model",
            code="model_not_found",
        )
    return target


def _usable(backend: Backend, caller: Caller, name: str) -> Target | None:
    target = backend.target(name)
    return target if target is not None and (caller.may_use(target.name) or caller.may_use(name)) else None


def fallbacks_for(backend: Backend, caller: Caller, target: Target) -> list[str] | None:
    """The names that may step in for the target, for this caller; None if the target has no fallbacks.

    Models that the key may not use are left out; for a key with a budget, so are models without a price.
    """
    names = backend.config.names.fallbacks_of(target.model)
    return None if names is None else [name for name in names if _may_step_in(backend, caller, name)]


def _may_step_in(backend: Backend, caller: Caller, name: str) -> bool:
    target = _usable(backend, caller, name)
    if target is None or caller.key is None or caller.key.max_budget is None:
        return target is not None
    return all(backend.price_of(entry) is not None for entry in target.entries)
