"""The faults that the stand-in shows, on purpose and repeatably."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from typing import Literal, NoReturn, get_args

import msgspec
from aiohttp import web

Mishap = Literal["error", "reset", "throttled", "lost", "cut", "stall"]
"""What may go wrong with one request."""

Group = Literal["create", "get", "cancel", "stream", "other"]
"""The requests that share a fault; `other` are models, versions, deployments, files."""


class Faults(msgspec.Struct, frozen=True, kw_only=True):
    """How often which fault strikes: a probability from 0 to 1, drawn for each request.

    The draws come from `seed`, so that the same requests meet the same faults.
    """

    seed: int = 0
    limit: int | None = None
    """After so many faults all goes well."""

    create_error: float = 0.0
    """A 5xx in HTML from the edge; no prediction is made."""
    create_reset: float = 0.0
    """The connection is reset before the prediction is made."""
    create_lost: float = 0.0
    """The prediction is made, then the connection is reset: the caller never learns of it."""
    create_throttled: float = 0.0
    get_error: float = 0.0
    """For `GET /predictions/{id}` and `GET /predictions`."""
    get_reset: float = 0.0
    get_throttled: float = 0.0
    cancel_error: float = 0.0
    cancel_reset: float = 0.0
    other_error: float = 0.0
    other_reset: float = 0.0

    stream_error: float = 0.0
    """A 5xx in HTML in place of a stream."""
    stream_cut: float = 0.0
    """The stream's connection is reset after `stream_cut_after` events, or at random if that is None."""
    stream_cut_after: int | None = None
    stream_cut_mid_event: bool = False
    """The reset comes after half of the next event's bytes."""
    stream_stall: float = 0.0
    """The stream opens and then never sends a byte, not even its time-out."""
    stream_forgets: bool = False
    """`Last-Event-ID` is ignored: every stream replays from the start."""

    latency: float = 0.0
    """Seconds by which every request is held up."""
    error_status: int = 502


class Fate:
    """Draws, for each request, what goes wrong with it."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self.random = random.Random(faults.seed)
        self._left = faults.limit
        self._chances = {group: _chances(faults, group) for group in get_args(Group)}

    def draw(self, group: Group) -> Mishap | None:
        """What goes wrong with a request of that group, if anything does."""
        for mishap, probability in self._chances[group]:
            if self._left != 0 and self.random.random() < probability:
                if self._left is not None:
                    self._left -= 1
                return mishap
        return None


def _chances(faults: Faults, group: Group) -> list[tuple[Mishap, float]]:
    """What may go wrong with a group's requests, such as `create_reset`."""
    every = [(mishap, getattr(faults, f"{group}_{mishap}", 0.0)) for mishap in get_args(Mishap)]
    return [(mishap, probability) for mishap, probability in every if probability]


async def reset(request: web.BaseRequest) -> web.StreamResponse:
    """End the connection with a TCP reset. The handler ends with it, by cancellation."""
    if request.transport is not None:
        connection: socket.socket = request.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.transport.abort()
    return await _forever()


async def stall(request: web.BaseRequest, headers: dict[str, str]) -> web.StreamResponse:
    """Open an answer and leave it at that, until the caller gives up."""
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    return await _forever()


async def _forever() -> NoReturn:
    await asyncio.get_running_loop().create_future()
    raise AssertionError("nobody resolves that future: its handler is cancelled with the connection")


def edge_error(status: int) -> web.Response:
    """An error page of whatever stands in front of the API."""
    page = f"<html><head><title>{status}</title></head><body><h1>Error {status}</h1></body></html>"
    return web.Response(status=status, text=page, content_type="text/html")
