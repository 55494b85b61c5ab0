"""One HTTP request to the gateway, and the headers of its answer."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from aiohttp import hdrs, web
from multidict import istr

from ..accounts.account import Account
from ..accounts.auth import Caller
from ..app import Gateway
from ..config.backend import Backend
from .beats import Beats

JSON = "application/json"
NONE: Mapping[str, str] = {}
"""No fields and no headers: one for all requests."""
_REQUEST_ID = istr("x-request-id")  # of a plain string, aiohttp would make one for each answer, and keep it
_ANTHROPICS_REQUEST_ID = istr("request-id")


class Exchange(msgspec.Struct, eq=False):
    """A request on its way through the gateway. Its account says who sent it, and what has become of it."""

    gateway: Gateway
    request: web.BaseRequest
    account: Account
    beats: Beats
    rest: str = ""
    """What the path has in the place of the route's `{id}`."""
    fields: Mapping[str, str] = NONE
    """Fields of the body that the path gives."""
    cors: Mapping[str, str] = NONE
    """Headers for a browser's page that may read the answer."""

    @property
    def backend(self) -> Backend:
        return self.account.backend

    @property
    def caller(self) -> Caller:
        return self.account.caller

    def client_has_left(self) -> bool:
        transport = self.request.transport
        return transport is None or transport.is_closing()

    def head(self, content_type: str = JSON) -> dict[str, str]:
        """The headers of every answer: no cache may keep what is for this caller alone."""
        request_id = self.account.record.request_id
        return {
            hdrs.CONTENT_TYPE: content_type,
            hdrs.CACHE_CONTROL: "no-store",
            _REQUEST_ID: request_id,
            _ANTHROPICS_REQUEST_ID: request_id,
            **self.cors,
        }

    def json(self, body: bytes, status: int = 200, content_type: str = JSON) -> web.Response:
        """An answer with this body."""
        self.account.record.status = status
        return web.Response(body=body, status=status, headers=self.head(content_type))
