"""A router's clients: one for each key, base and proxy, so that each account's limits are kept once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..clock import TimeLimits
from .client import Client
from .credentials import Credentials
from .limits import Slots, Turns
from .live import Live
from .protocol.requests import merged
from .transports.base import Transport, through

if TYPE_CHECKING:
    from .transports.proxies import TLS

_KEPT = 1000
"""Clients that are remembered while nobody calls: a service may bring each user's own key."""


class Clients:
    """Gives the client for a call's key, base, headers, proxy and certificates.

    Args:
        transport: opens the connections, unless a call names another proxy or certificates.
        live: every prediction that somebody of the router has.
        held: connections that creations may hold open.
        short: connections for requests that are answered at once.
        creations_per_minute, others_per_minute: each account's limits to begin with.
        default_headers: sent with every request to a base.
        trusted_hosts: further hosts that may see a key.
    """

    def __init__(
        self,
        transport: Transport,
        live: Live,
        *,
        held: Slots,
        short: Turns,
        creations_per_minute: float,
        others_per_minute: float,
        default_headers: Mapping[str, str],
        trusted_hosts: tuple[str, ...],
    ) -> None:
        self.transport = transport
        self._live = live
        self._held = held
        self._short = short
        self._limits = TimeLimits()
        self._rates = creations_per_minute, others_per_minute
        self._default_headers = default_headers
        self._trusted_hosts = trusted_hosts
        self._clients: OrderedDict[tuple[object, ...], Client] = OrderedDict()
        self._transports: dict[tuple[str | None, TLS | None], Transport] = {}

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
        creations, others = self._rates
        client = self._clients[named] = Client(
            self._through(proxy, ssl),
            base,
            Credentials(base, key, merged(self._default_headers, default_headers or {}), self._trusted_hosts),
            live=self._live,
            held=self._held,
            short=self._short,
            limits=self._limits,
            creations_per_minute=creations,
            others_per_minute=others,
        )
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
