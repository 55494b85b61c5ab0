"""One account's requests to Replicate: signed, held to its limits, and sent again if that is safe."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import TypeVar

import anyio
import msgspec

from .. import logs
from ..clock import Scope, TimeLimits, now
from ..errors import APIConnectionError, APIError, PredictionFailedError
from .credentials import Credentials
from .first_contact import FirstContact
from .limits import Limiter, Turns, ratelimit
from .protocol.decoding import MOST_PARTS, decoded, has_too_many_parts
from .protocol.files import decode_file, file_upload
from .protocol.predictions import Prediction
from .protocol.problems import error_from_prediction, error_from_response, reduced_limits
from .protocol.requests import Request, Response, merged
from .retry import Retries, RetryBudget, RetryPolicy, throttle_seconds
from .transports.base import Answer, Transport, connection_error, never_sent

T = TypeVar("T")

MAX_BODY = 64 * 1024 * 1024
"""Bytes of one answer, unpacked, after which it is given up."""

HOLD_LARGE: ContextVar[Callable[[str, int, bool], None] | None] = ContextVar(
    "areplicate_hold_large", default=None
)
"""Called for each piece of a large answer or streamed text, with the answer's URL or the prediction's id, the piece's
bytes, and whether all that came from there before is let go. It may raise an `APIError` if there is no room."""
LARGE = 1024 * 1024
"""Bytes of an answer that nobody counts."""

SILENCE = 30.0
"""Seconds within which Replicate answers anything but a creation that is held open."""

_SLOWEST = 20_000.0
"""Bytes a second at which a body goes to and fro at least; 64 MB take an hour."""


class Http(msgspec.Struct, kw_only=True, eq=False):
    """The HTTP API as one key sees it."""

    transport: Transport
    base: str
    """The API's address, such as `https://api.replicate.com/v1`."""
    credentials: Credentials
    creations: Limiter
    others: Limiter
    short: Turns
    """The connections for requests that are answered at once."""
    limits: TimeLimits
    """The time limits of all requests on them."""
    contact: FirstContact
    budget: RetryBudget = msgspec.field(default_factory=RetryBudget)

    async def get(self, path: str, policy: RetryPolicy) -> bytes:
        """GETs a path below the base, and returns the body."""
        return await self.read(path, policy, bytes)

    async def read(self, path: str, policy: RetryPolicy, decode: Callable[[bytes], T]) -> T:
        """GETs a path below the base, and returns the decoded body.

        What cannot be decoded came from a proxy, and is asked for again.
        """
        return await self._retried(Request("GET", self.base + path, self.credentials.headers), policy, decode)

    async def upload(self, content: bytes, filename: str, media_type: str, policy: RetryPolicy) -> str:
        """Puts a file where models can read it, and returns its URL."""
        headers, body = file_upload(content, filename, media_type)
        request = Request("POST", self.base + "/files", merged(self.credentials.headers, headers), body)
        return (await self._retried(request, policy, decode_file)).urls.get

    async def _retried(self, request: Request, policy: RetryPolicy, decode: Callable[[bytes], T]) -> T:
        """What a successful answer's body says, to a request that does no harm when it is sent twice."""
        again: Retries | None = None
        while True:
            try:
                sent = await self.others.acquire(policy.deadline)
                response = await self.send_short(request, self.others)
                if response.status < 300:
                    return decoded(decode, response.body)
                error = self.error(response, request)
            except APIConnectionError as broken:
                error = broken
            except ValueError as garbled:
                error = APIConnectionError(
                    f"The answer is not what was asked for: {garbled}.",
                    method=request.method,
                    url=request.url,
                )
            again = again or self.retries(policy, sent)
            await again.after(error)

    def retries(self, policy: RetryPolicy, sent: float) -> Retries:
        """The retries of one request, which was first sent at that time."""
        return Retries(self.contact, self.budget, policy, sent)

    async def send(self, request: Request, limiter: Limiter, silence: float = SILENCE) -> Response:
        """One request, whatever the answer's status, for which `limiter` has given its turn."""
        if logs.verbose():
            logs.logger.debug("%s", logs.as_curl(request))
        if self.contact.made:
            response = await exchange(self.transport, request, silence=silence, limits=self.limits)
        else:
            with self.contact.trying():
                response = await exchange(self.transport, request, silence=silence, limits=self.limits)
        if response.status == 429:
            limiter.throttled(throttle_seconds(self.error(response, request)), *reduced_limits(response))
        else:
            limiter.observe(response.ended, *ratelimit(response.headers))
        if response.status < 300 and self.budget.left < self.budget.reserve:
            self.budget.succeeded()
        return response

    async def send_short(self, request: Request, limiter: Limiter, silence: float = SILENCE) -> Response:
        """Sends a request that is answered at once: thousands of these share a few connections."""
        await self.short.acquire(self)
        try:
            return await self.send(request, limiter, silence)
        finally:
            self.short.release()

    async def open_stream(self, url: str, headers: Mapping[str, str]) -> Answer:
        """Opens an event stream, on whichever host it is that may be asked. Its reader has to notice silence."""
        request = Request("GET", url, merged(self.credentials.headers_for(url), headers))
        if logs.verbose():
            logs.logger.debug("%s", logs.as_curl(request))
        return await self.transport.open(request)

    def error(self, response: Response, request: Request) -> APIError:
        """The exception for an answer, with the key masked wherever a server repeats it."""
        masked = self.credentials.masked
        headers = {name.lower(): masked(value) for name, value in response.headers.items()}
        body = masked(response.body.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
        error = self._with_key_masked(error_from_response(Response(response.status, headers, body)))
        error.method, error.url = request.method, request.url
        return error

    def error_of(self, prediction: Prediction) -> APIError | None:
        """The exception for a terminal prediction that has no output to give; None for any other."""
        error = error_from_prediction(prediction)
        return error and self._with_key_masked(error)

    def _with_key_masked(self, error: APIError) -> APIError:
        """The error with the key masked, which JSON's escapes may have hidden until now."""
        error.message = self.credentials.masked(error.message)
        error.args = (error.message,)
        return error


async def exchange(
    transport: Transport, request: Request, *, silence: float, limits: TimeLimits | None = None
) -> Response:
    """Sends one request and reads its answer whole, up to `MAX_BODY` bytes.

    Args:
        silence: seconds without an answer, or for its body, after which it is given up; a large body gets the time
            besides that it takes to send or to read it. One that trickles does not: asking again is faster.
        limits: measures them. One for many requests costs each of them less than a timer of its own.

    Raises:
        APIConnectionError: there is no answer.
        PredictionFailedError: it is too large.
    """
    deadline, sent = now() + silence + len(request.body or b"") / _SLOWEST, True
    with anyio.CancelScope(deadline=deadline) if limits is None else limits.scope(deadline) as scope:
        try:
            answer = await transport.open(request)
        except BaseException as left:
            sent = not never_sent(left)
            raise
        try:
            body = await answer.receive()
            if not answer.ended:
                body = await _joined(body, answer, request, scope, silence)
            return Response(answer.status, answer.headers, body, now())
        finally:
            await answer.aclose()
    late = TimeoutError(f"nothing came within {silence:g} s")
    raise connection_error(late, request.method, request.url, sent=sent, silent=True)


async def _joined(first: bytes, answer: Answer, request: Request, scope: Scope, silence: float) -> bytes:
    """The body that begins with these bytes."""
    pieces, length = [first], len(first)
    announced = answer.headers.get("Content-Length", "")
    if announced.isdecimal() and int(announced) > MAX_BODY:
        raise _too_large(f"has {_megabytes(int(announced))}", request)
    scope.deadline = now() + silence
    while True:
        more = await answer.receive()
        if not more:
            body = b"".join(pieces)
            if has_too_many_parts(body):
                raise _too_large(f"is made of more than {MOST_PARTS:,} parts", request)
            return body
        pieces.append(more)
        length += len(more)
        scope.deadline += len(more) / _SLOWEST
        if length > LARGE:
            _hold_large(request, len(more), first=length - len(more) <= LARGE)
        if length > MAX_BODY:
            raise _too_large(f"has more than {_megabytes(MAX_BODY)}", request)


def _hold_large(request: Request, size: int, *, first: bool) -> None:
    """The account's list is let go as soon as it is read, and a prediction as it was once it is read again."""
    is_list = request.method == "GET" and request.url.rpartition("/")[2].startswith("predictions")
    if not is_list and (hold := HOLD_LARGE.get()) is not None:
        hold(request.url, size, first and request.method == "GET")


def _too_large(how: str, request: Request) -> PredictionFailedError:
    """The error for an answer that is too large. It would be as large another time, so it is not asked for again."""
    most = f"{_megabytes(MAX_BODY)} and {MOST_PARTS:,} parts"
    return PredictionFailedError(
        f"The answer {how}, and is not read: {most} are the most.", method=request.method, url=request.url
    )


def _megabytes(size: int) -> str:
    return f"{size / 2**20:,.0f} MiB"
