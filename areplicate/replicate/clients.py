"""A router's clients: one for each key, base and proxy, so that each account's limits are kept once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from ..clock import TimeLimits
from .client import Client
from .credentials import Credentials
from .first_contact import FirstContact
from .http import Http
from .limits import Limiter, Slots, Turns
from .live import Live
from .protocol.requests import merged
from .transports.base import Transport, through

if TYPE_CHECKING:
    from .transports.proxies import TLS

_KEPT = 1000
"""Clients that are remembered while nobody calls: a service may bring each user's own key."""


class Clients(msgspec.Struct, kw_only=True, eq=False):
    """Gives the client for a call's key, base, headers, proxy and certificates."""

    transport: Transport
    """Opens the connections, unless a call names another proxy or certificates."""
    live: Live
    """Every prediction that somebody of the router has."""
    held: Slots
    """Connections that creations may hold open."""
    short: Turns
    """Connections for requests that are answered at once."""
    creations_per_minute: float
    others_per_minute: float
    """Each account's limits to begin with."""
    default_headers: Mapping[str, str]
    """Sent with every request to a base."""
    trusted_hosts: tuple[str, ...]
    """Further hosts that may see a key."""
    _limits: TimeLimits = msgspec.field(default_factory=TimeLimits)
    _clients: OrderedDict[tuple[object, ...], Client] = msgspec.field(default_factory=OrderedDict)
    _transports: dict[tuple[str | None, TLS | None], Transport] = {}

    def of(
        self,
        base: str,
        key: str,
        default_headers: Mapping[str, str] | None = None,
        proxy: str | None = None,
        ssl: TLS | None = None,
    ) -> Client:
        """The client of a key for a base. `default_headers` take precedence over those of all clients."""
        headers = frozenset(default_headers.items()) if default_headers else None
        named = base, key, headers, proxy, ssl
        client = self._clients.get(named)
        if client is not None:
            self._clients.move_to_end(named)
            return client
        sent = merged(self.default_headers, default_headers or {})
        http = Http(
            transport=self._through(proxy, ssl),
            base=base,
            credentials=Credentials(base, key, sent, self.trusted_hosts),
            creations=Limiter(self.creations_per_minute),
            others=Limiter(self.others_per_minute),
            short=self.short,
            limits=self._limits,
            contact=FirstContact(base),
        )
        client = self._clients[named] = Client(http, self.live, self.held)
        if len(self._clients) > _KEPT:
            self._clients.popitem(last=False)
        return client

    async def aclose(self) -> None:
        """Closes all connections."""
        self._limits.close()
        for transport in (self.transport, *self._transports.values()):
            await transport.aclose()

    def _through(self, proxy: str | None, ssl: TLS | None) -> Transport:
        if proxy is None and ssl is None:
            return self.transport
        transport = self._transports.get((proxy, ssl))
        if transport is None:
            transport = self._transports[proxy, ssl] = through(self.transport, proxy, ssl)
        return transport
