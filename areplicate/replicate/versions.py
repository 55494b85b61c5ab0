"""The latest versions of community models, which cannot be called by their name alone."""

from __future__ import annotations

from weakref import WeakValueDictionary

import anyio
import msgspec

from ..clock import now
from ..errors import APIError, BadRequestError, NotFoundError
from .endpoints import Endpoint, ModelEndpoint, VersionEndpoint
from .http import Http
from .protocol.decoding import decoded
from .protocol.models import decode_model
from .retry import RetryPolicy

KEPT = 3600.0
"""Seconds for which a model's latest version is taken to be that."""


class LatestVersions(msgspec.Struct, eq=False):
    """The versions that one account has looked up; each once, also for many callers at once."""

    _http: Http
    changes: int = 0
    """How often a version was looked up."""
    _found: dict[Endpoint, tuple[VersionEndpoint, float]] = {}
    _looking_up: WeakValueDictionary[Endpoint, anyio.Lock] = msgspec.field(
        default_factory=WeakValueDictionary
    )

    def known(self, endpoint: Endpoint) -> VersionEndpoint | None:
        """A model's latest version, if it was looked up within the last hour."""
        found = self._found.get(endpoint) if self._found else None
        return found[0] if found is not None and now() < found[1] else None

    async def after(
        self, refused: APIError, endpoint: Endpoint, called: Endpoint, policy: RetryPolicy
    ) -> VersionEndpoint:
        """The version to call instead, if a creation was refused because a model has another version now.

        Args:
            refused: how the creation ended.
            endpoint: the model.
            called: what was called for it: the model itself, or the version that was known.

        Raises:
            APIError: `refused`, if that is not why, or no other version is found.
        """
        if not isinstance(endpoint, ModelEndpoint) or not _is_of_version(refused):
            raise refused
        looking_up = self._looking_up.get(endpoint) or self._looking_up.setdefault(endpoint, anyio.Lock())
        async with looking_up:
            known = self.known(endpoint)
            if known is None or known == called:
                known = await self._look_up(endpoint, refused, policy)
                self._found[endpoint] = known, now() + KEPT
                self.changes += 1
        if known == called:
            raise refused
        return known

    async def _look_up(
        self, endpoint: ModelEndpoint, refused: APIError, policy: RetryPolicy
    ) -> VersionEndpoint:
        body = await self._http.get(endpoint.schema_path, policy)
        try:
            model = decoded(decode_model, body)
        except ValueError:
            raise refused from None
        if model.latest_version is None:
            raise refused
        return VersionEndpoint(model.latest_version.id, endpoint.model)


def _is_of_version(refused: APIError) -> bool:
    """Whether a creation was refused for its version: the model has none, or it was replaced."""
    replaced = isinstance(refused, BadRequestError) and "invalid version" in refused.message.lower()
    return isinstance(refused, NotFoundError) or replaced
