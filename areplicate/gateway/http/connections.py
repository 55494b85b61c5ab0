"""Clients' connections: which of them are open, and which have been silent for so long that they may make room."""

from __future__ import annotations

import asyncio
import select
from collections.abc import Awaitable, Callable
from functools import partial

from aiohttp import web
from aiohttp.web_protocol import RequestHandler, _ErrInfo

from ...clock import SharedTimer
from ..accounts.record import new_request_id
from ..errors import bad_request, let_go, unexpected
from .bodies import LINGER_SECONDS, pass_over
from .exchange import JSON

HEAD_SECONDS = 30.0
"""Seconds within which a new connection sends its first request."""
SILENCE_SECONDS = 1.0
"""Seconds of silence after an answer, after which a connection may have to make room."""
FIRST_SILENCE_SECONDS = 3.0
"""The same for a connection without a request so far: a busy client may take a while to send its first."""
STALLED_SECONDS = 60.0
"""Seconds after which a client that reads nothing of its answer counts as gone."""
_MOST_UNREAD = 128 * 1024 * 1024
"""Bytes of all answers that wait for their clients to read them; each is in memory twice until all of it is sent."""
_TOO_LATE = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
"""The answer to a client that may be about to send its first request: it can safely send it again."""
_BETWEEN_LOOKS = 0.25
"""Seconds, at least, between two looks for connections that have been idle for too long."""
Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Request(web.BaseRequest):
    async def _prepare_hook(self, response: web.StreamResponse) -> None:
        """aiohttp calls this before it sends a head: no banner may show which version answers."""
        response.headers.popall("Server", None)


class Server(web.Server):
    """aiohttp's server, with the list of its connections, so that idle ones can make room.

    Args:
        keepalive: seconds that a connection may sit idle between two requests.
    """

    def __init__(self, handler: Handler, *, keepalive: float) -> None:
        request = partial(Request, loop=asyncio.get_running_loop())
        super().__init__(handler, request_factory=request, handler_cancellation=True)
        self.keepalive = keepalive
        self.open: dict[Connection, None] = {}
        """The connections, the oldest first."""
        self.stalled: dict[Connection, None] = {}
        """Those whose clients do not read as fast as they get, the longest first."""
        self._timer = SharedTimer(self.open, between=_BETWEEN_LOOKS)

    def add(self, connection: Connection) -> None:
        self.open[connection] = None
        if connection.due < self._timer.next:
            self._timer.look_at(connection.due)

    def __call__(self) -> Connection:
        return Connection(self)

    def make_room(self) -> bool:
        """Closes the oldest connection that has been silent for a while; gives whether there was one."""
        for connection in self.open:
            if connection.may_go:
                connection.make_room()
                self.open.pop(connection, None)
                return True
        return False

    def end_unread(self) -> None:
        """Ends the connections that have been stalled the longest, where too much waits to be read."""
        unread = sum(each.unread for each in self.stalled)
        for connection in list(self.stalled):
            if unread <= _MOST_UNREAD:
                break
            unread -= connection.unread
            connection.abort()

    def close_idle(self) -> None:
        for connection in [each for each in self.open if each.is_idle]:
            connection.force_close()


class Connection(RequestHandler):
    """One connection. Its answer to what is not HTTP is an error as OpenAI's API has them."""

    __slots__ = (
        "_answer_size",
        "_answered",
        "_first_patience",
        "_is_damaged",
        "_server",
        "_silent_since",
        "_stalled",
        "_stalled_since",
    )

    def __init__(self, server: Server) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(server, loop=loop, access_log=None, keepalive_timeout=server.keepalive)  # type: ignore[arg-type]
        self._server = server
        self._first_patience = min(HEAD_SECONDS, server.keepalive)
        self._silent_since = loop.time()
        self._answered = 0
        self._is_damaged = False
        """Whether something has come that is not HTTP."""
        self._answer_size = 0
        """Bytes of the answer that is being sent, if it is sent at once."""
        self._stalled: asyncio.TimerHandle | None = None
        self._stalled_since = 0.0

    @property
    def is_idle(self) -> bool:
        """Whether every request that has come is answered."""
        return self._request_count == self._answered

    @property
    def has_asked(self) -> bool:
        """Whether bytes have come that are not read yet: on a busy machine that may take a while."""
        if self.transport is None:
            return False
        poll = select.poll()
        poll.register(self.transport.get_extra_info("socket"), select.POLLIN)
        return bool(poll.poll(0))

    @property
    def may_go(self) -> bool:
        """Whether it has been silent, or has read nothing, for so long that it may have to make room."""
        now = self._loop.time()
        if self._stalled is not None:
            return now - self._stalled_since >= FIRST_SILENCE_SECONDS
        patience = SILENCE_SECONDS if self._answered else FIRST_SILENCE_SECONDS
        return self.is_idle and now - self._silent_since >= patience and not self.has_asked

    def make_room(self) -> None:
        if self._stalled is not None:
            self.abort()
            return
        if not self._answered and self.transport is not None:
            self.transport.write(_TOO_LATE)
        self.force_close()

    def abort(self) -> None:
        """Ends it without waiting for what is still to be sent."""
        if self.transport is not None:
            self.transport.abort()

    @property
    def unread(self) -> int:
        """Bytes of an answer that its client has not read yet, or of one of which it has not read all."""
        return max(self._answer_size, self._left_to_send())

    def _left_to_send(self) -> int:
        return 0 if self.transport is None else self.transport.get_write_buffer_size()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._wait_for_reader()
        self._server.end_unread()

    def _wait_for_reader(self) -> None:
        self._server.stalled[self] = None
        self._stalled_since = self._loop.time()
        self._stalled = self._loop.call_later(STALLED_SECONDS, self._look_at_reader, self._left_to_send())

    def _look_at_reader(self, left: int) -> None:
        """A client that has read something, however slowly, is still there."""
        if self._left_to_send() < left:
            self._reads_again()
            self._wait_for_reader()
        else:
            self.abort()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._reads_again()

    def _reads_again(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None
            self._server.stalled.pop(self, None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self._keepalive_handle is not None:
            self._keepalive_handle.cancel()  # where there is one, aiohttp sets no other: the server's is for all
        # The first request comes soon; only between two of them may there be a long silence.
        self._next_keepalive_close_time = self._loop.time() + self._first_patience
        self._server.add(self)

    @property
    def due(self) -> float:
        """When it is closed if it waits for a request then."""
        return self._next_keepalive_close_time

    def wake(self) -> None:
        self._next_keepalive_close_time = self._loop.time() + self._server.keepalive
        if self._waiter is not None and not self._waiter.done():
            self.force_close()

    def data_received(self, data: bytes) -> None:
        """What comes after something that is not HTTP is not looked at: it would be an error each time, and each
        error would keep what it was read from."""
        if self._is_damaged:
            return
        super().data_received(data)
        if self._messages and isinstance(damage := self._messages[-1][0], _ErrInfo):
            self._is_damaged = True
            let_go(damage.exc)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        whole = resp if isinstance(resp, web.Response) else None
        self._answer_size = len(whole.body) if whole is not None and isinstance(whole.body, bytes) else 0
        sent = await super().finish_response(request, resp, start_time)
        compressed = "Content-Encoding" in request.headers
        if compressed:
            await pass_over(request.content)
        # aiohttp reads on by itself, but would unfold all that comes.
        self._lingering_time = 0.0 if compressed else LINGER_SECONDS
        self._answered += 1
        self._silent_since = self._loop.time()
        resp.headers.clear()  # aiohttp keeps the answer until the next request comes
        if whole is not None:
            whole.body = None
        return sent

    def connection_lost(self, exc: BaseException | None) -> None:
        self._server.open.pop(self, None)
        self._reads_again()
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Repeats nothing of what was sent, unlike aiohttp's own answer: it may hold a key."""
        if request.writer.output_size > 0:
            raise ConnectionError("The answer has begun already.")
        if status < 500:
            error = bad_request(
                "The request is not valid HTTP (is it HTTPS?), its head is too long, or its body has an "
                "encoding that is not known here.",
                code="invalid_http",
            )
        else:
            error = unexpected()
        headers = {"Content-Type": JSON, "Cache-Control": "no-store", "x-request-id": new_request_id()}
        response = web.Response(body=error.envelope(), status=error.status, headers=headers)
        response.force_close()
        return response
