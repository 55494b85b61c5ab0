"""What a transport is: something that opens one HTTP exchange at a time."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from traceback import walk_tb
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from ...errors import APIConnectionError, BadRequestError
from ..protocol.requests import Request

if TYPE_CHECKING:
    from .proxies import TLS

Wait = TypeVar("Wait", bound=Callable[..., Any])

CONNECT_TIMEOUT = 15.0
"""Seconds for name look-up, TCP and TLS."""

_WAITING: set[tuple[Any, str]] = {
    ("areplicate.replicate.limits", "acquire"),
    ("aiohttp.connector", "connect"),
    ("httpcore._async.connection", "_connect"),
    ("httpcore._async.connection_pool", "wait_for_connection"),
}
"""The functions, by their modules, in which a request waits for its turn or its connection: none of it is sent yet."""

_SENT_BY_THE_SERVER = re.compile(r"(\bbytearray\(|\bb['\"]|<Raw).*", re.DOTALL)
"""What libraries quote of an answer that is not HTTP: a server may repeat the key in it."""

_CREDENTIALS = re.compile(r"//[^/\s]*@")
"""User and password in a URL, such as a proxy's."""


class Answer(Protocol):
    """An answer whose head has arrived and whose body is still coming."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Looked up without regard to case."""

    @property
    def ended(self) -> bool:
        """Whether it is known already that `receive` has nothing more to give."""

    async def receive(self) -> bytes:
        """The next bytes of the body, unpacked, as soon as there are any; empty at its end."""

    async def aclose(self) -> None:
        """Gives the connection back, or closes it if the body was not read to its end."""


class Transport(Protocol):
    """Opens exchanges. Redirects are answers like any other: following one could leak the key.

    Every failure is an `APIConnectionError`; its `request_sent` is False only if the request
    certainly never reached the server.
    """

    async def open(self, request: Request) -> Answer:
        """Sends the request and waits for the head of the answer, for as long as its caller does."""

    async def aclose(self) -> None:
        """Closes all connections. The transport may be used again afterwards."""


def through(transport: Transport, proxy: str | None, ssl: TLS | None) -> Transport:
    """A transport of the same kind through another proxy, or with other certificates to trust.

    Raises:
        BadRequestError: the transport has no such method of its own, or what is given is wrong.
    """
    make = getattr(transport, "through", None)
    if make is None:
        raise BadRequestError(
            f"{type(transport).__name__} has no method through(proxy=, ssl=), which proxy= and ssl= need: "
            "set them up in the transport itself.",
            param="ssl" if proxy is None else "proxy",
        )
    made: Transport = make(proxy=proxy, ssl=ssl)
    return made


def sends_nothing(wait: Wait) -> Wait:
    """Says of a function that a transport of one's own awaits that a request which ends in it was not sent."""
    _WAITING.add((wait.__module__, wait.__name__))
    return wait


def never_sent(error: BaseException) -> bool:
    """Whether what ended a request, such as its caller's cancellation, came before any of it was sent."""
    frames = (frame for frame, _ in walk_tb(error.__traceback__))
    return any((frame.f_globals.get("__name__"), frame.f_code.co_name) in _WAITING for frame in frames)


def connection_error(
    error: Exception, method: str, url: str, *, sent: bool, silent: bool = False, proxy: str | None = None
) -> APIConnectionError:
    """The error for an exchange that broke.

    Args:
        sent: False if it is certain that the request never left.
        silent: nothing came for too long.
        proxy: what it went through, without user and password.
    """
    said = _SENT_BY_THE_SERVER.sub("", _CREDENTIALS.sub("//", _reason(error)))
    reason = " ".join(said.split()).rstrip(".: ") or type(error).__name__
    untrusted = "CERTIFICATE_VERIFY_FAILED" in reason  # before anything is sent, whatever the kind of error
    sent = sent and not untrusted
    if silent and sent:
        reason = "the server is silent"
    through = f" through the proxy {proxy}" if proxy else ""
    message = f"{'The connection broke' if sent else 'No connection'}{through}: {reason}."
    if untrusted:
        message += " Name the certificates to trust with ssl= or SSL_CERT_FILE."
    return APIConnectionError(message, method=method, url=url, request_sent=sent)


def _reason(error: Exception) -> str:
    """What an error says; trio's say it only in what they come from."""
    cause: BaseException | None = error
    while cause is not None:
        if text := str(cause):
            return text
        cause = cause.__cause__ or cause.__context__
    return type(error).__name__
