"""Takes in clients: as many as open files allow, and no more.

The listening socket is accepted from here, not by asyncio: where files run out, asyncio's own loop tries again
thousands of times a second and logs each. Here a new connection takes the place of one that has been silent, so
that however many connect and say nothing, those who ask are answered.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time

from ..logs import logger
from .connections import FIRST_SILENCE_SECONDS, Server

_HANDSHAKE_SECONDS = 10.0
_AT_ONCE = 64
"""Connections that are accepted before others have their turn."""
_PAUSE = 0.1
"""Seconds without accepting connections while no file is free."""
_TELL_EVERY = 1.0
"""Seconds at least between two lines in the log about that."""


class Listener:
    """Accepts connections on a listening socket.

    Args:
        most: how many may be open at once.
        tls: what encrypts new connections; may be replaced at any time.
    """

    def __init__(self, sock: socket.socket, server: Server, *, most: int, tls: ssl.SSLContext | None) -> None:
        self.tls = tls
        self._socket = sock
        self._server = server
        self._most = most
        self._loop = asyncio.get_running_loop()
        self._beginning: dict[asyncio.Task[None], float] = {}
        """Since when each connection is in its handshake, the oldest first."""
        self._told = float("-inf")
        self._resuming: asyncio.TimerHandle | None = None
        sock.setblocking(False)

    def start(self) -> None:
        self._resuming = None
        self._loop.add_reader(self._socket, self._accept, _AT_ONCE)

    def close(self) -> None:
        """Takes in those who have connected already, and refuses the rest."""
        if self._resuming is not None:
            self._resuming.cancel()
        self._loop.remove_reader(self._socket)
        self._accept(1 << 16)
        if self._resuming is not None:
            self._resuming.cancel()
        self._socket.close()

    @property
    def quiet(self) -> bool:
        """Whether nobody is connected."""
        return not self._server.open and not self._beginning

    @property
    def has_unread(self) -> bool:
        """Whether a request has come that is not read yet: to close its connection now would cut it."""
        return any(connection.has_asked for connection in self._server.open)

    def _accept(self, at_once: int) -> None:
        for _ in range(at_once):
            if len(self._server.open) + len(self._beginning) >= self._most and not self._make_room():
                return self._pause(f"all {self._most} connections are busy: others wait")
            try:
                connection, _ = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._make_room()
                return self._pause(f"a connection cannot be accepted: {error}")
            connection.setblocking(False)
            task = self._loop.create_task(self._begin(connection))
            self._beginning[task] = self._loop.time()
            task.add_done_callback(lambda done: self._beginning.pop(done, None))

    def _make_room(self) -> bool:
        """Ends the oldest connection that is silent, or in its handshake for a while; gives whether there was one."""
        if self._server.make_room():
            return True
        oldest, since = next(iter(self._beginning.items()), (None, 0.0))
        if oldest is None or self._loop.time() - since < FIRST_SILENCE_SECONDS:
            return False
        oldest.cancel()
        del self._beginning[oldest]
        return True

    async def _begin(self, connection: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(
                self._server,
                connection,
                ssl=self.tls,
                ssl_handshake_timeout=_HANDSHAKE_SECONDS if self.tls is not None else None,
            )
        except (OSError, ssl.SSLError, asyncio.TimeoutError):  # it left, or does not speak TLS
            connection.close()

    def _pause(self, why: str) -> None:
        if time.monotonic() - self._told >= _TELL_EVERY:
            self._told = time.monotonic()
            logger.error("%s; `ulimit -n` may be too low", why)
        self._loop.remove_reader(self._socket)
        self._resuming = self._loop.call_later(_PAUSE, self.start)
