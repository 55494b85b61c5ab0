"""The OpenAPI document."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from .exchange import Exchange

if TYPE_CHECKING:
    from .app import Gateway


async def document(gateway: Gateway, exchange: Exchange) -> web.StreamResponse:
    return exchange.json(b"{}")
