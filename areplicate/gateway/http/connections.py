"""aiohttp's server, whose answer to what is no HTTP is an error as OpenAI's API has them."""

from __future__ import annotations

import asyncio

from aiohttp import web

from .errors import bad_request, unexpected
from .exchange import JSON, new_request_id

KEEPALIVE = 75.0
"""Seconds that a connection may sit idle, or take to send the head of a request."""


class Server(web.Server):
    def __call__(self) -> web.RequestHandler:
        return _Connection(
            self,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]
            keepalive_timeout=KEEPALIVE,
        )


class _Connection(web.RequestHandler):
    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Says nothing of what was sent, unlike aiohttp's own: it may hold a key."""
        if request.writer.output_size > 0:
            raise ConnectionError("The answer has begun already.")
        if status < 500:
            error = bad_request(
                "The request is not valid HTTP (is it HTTPS?), or its head is too long.", code="invalid_http"
            )
        else:
            error = unexpected()
        headers = {"Content-Type": JSON, "x-request-id": new_request_id()}
        response = web.Response(body=error.envelope(), status=error.status, headers=headers)
        response.force_close()
        return response
