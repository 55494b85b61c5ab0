"""One HTTP request to the gateway, and the headers of its answer."""

from __future__ import annotations

from collections.abc import Mapping

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


class Exchange:
    """A request on its way through the gateway. Its account says who sent it, and what has become of it."""

    __slots__ = ("account", "beats", "cors", "fields", "gateway", "request", "rest")

    def __init__(self, gateway: Gateway, request: web.BaseRequest, account: Account, beats: Beats) -> None:
        self.gateway = gateway
        self.request = request
        self.account = account
        self.beats = beats
        self.rest = ""
        """What the path has in the place of the route's `{id}`."""
        self.fields = NONE
        """Fields of the body that the path gives."""
        self.cors = NONE
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
