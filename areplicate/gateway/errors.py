"""Errors in the form of OpenAI's API: `{"error": {"message", "type", "param", "code"}}`.

Source: "Error codes" in OpenAI's API reference, and what its SDKs do with them: they try 408, 409,
429 and 5xx again unless the answer says `x-should-retry: false`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from traceback import clear_frames

import msgspec

from ..errors import (
    AnswerMisfitError,
    APIConnectionError,
    APIError,
    AuthenticationError,
    BadRequestError,
    InsufficientCreditError,
    NotFoundError,
    PermissionDeniedError,
    PredictionCanceledError,
    PredictionFailedError,
    RateLimitError,
    ServiceUnavailableError,
    Timeout,
)

NO_RETRY = {"x-should-retry": "false"}
REFUSALS = (403, 429)
"""The statuses besides 400 with which the gateway itself refuses a row of a batch."""
CLIENT_GONE = 499
"""The status in logs and figures of a request whose client left before its answer."""


class ErrorDetail(msgspec.Struct, frozen=True):
    """What happened; the names are OpenAI's."""

    message: str
    type: str
    param: str | None
    code: str | None
    failed_generation: str | msgspec.UnsetType = msgspec.UNSET
    """An answer that does not fit what was asked for, by Groq's name for it: it is paid, and may be of use."""


class ErrorAnswer(msgspec.Struct, frozen=True):
    """The body of every answer that is an error."""

    error: ErrorDetail


def _sendable(text: str) -> str:
    """A text as JSON can have it: one about a request may have bytes that are not UTF-8 in it, as halves of characters."""
    return text if text.isascii() else text.encode(errors="replace").decode()


class GatewayError(Exception):
    """An answer that is an error.

    Attributes:
        status: the HTTP status.
        message: what happened, and what to do.
        type, code, param: as OpenAI's API has them; by default the type is the status's.
        failed_generation: an answer that cannot be given for what was asked.
        headers: further headers of the answer, with `Retry-After` if it passes in `retry_after` seconds.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type: str | None = None,
        code: str | None = None,
        param: str | None = None,
        failed_generation: str | None = None,
        retry_after: float | None = None,
        headers: Mapping[str, str] = {},
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = _sendable(message)
        self.type = type or ("server_error" if status >= 500 else "invalid_request_error")
        self.code = code
        self.param = None if param is None else _sendable(param)
        self.failed_generation = None if failed_generation is None else _sendable(failed_generation)
        passes = {} if retry_after is None else {"Retry-After": str(max(1, math.ceil(retry_after)))}
        self.headers = {**headers, **passes}

    def detail(self) -> ErrorDetail:
        text = msgspec.UNSET if self.failed_generation is None else self.failed_generation
        return ErrorDetail(self.message, self.type, self.param, self.code, text)

    def envelope(self) -> bytes:
        """The body of the answer."""
        return msgspec.json.encode(ErrorAnswer(self.detail()))


class DatabaseUnavailable(GatewayError):
    """The database did not do its work, for reasons of its own: gone, hung, locked, full, read-only.

    Clients get a 503; the `reason` is for the log.
    """

    def __init__(self, reason: str) -> None:
        message = "The gateway's database does not answer."
        super().__init__(503, message, code="database_unavailable", retry_after=5.0)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


def bad_request(message: str, *, param: str | None = None, code: str | None = None) -> GatewayError:
    return GatewayError(400, message, param=param, code=code)


def no_such(kind: str, id: str, param: str | None = None) -> GatewayError:
    """404 for an id that does not exist, or that the caller may not see; `kind` is such as `file`."""
    message = f"The {kind} {id[:100]!r} does not exist, or it is another key's."
    return GatewayError(404, message, param=param or f"{kind}_id", code=f"{kind}_not_found")


def no_master_key() -> GatewayError:
    return GatewayError(
        403,
        "There is no master key: set general_settings.master_key in the configuration to manage keys.",
        code="no_master_key",
    )


def over_budget(message: str, kind: type[GatewayError] = GatewayError) -> GatewayError:
    """429 that does not pass by waiting."""
    return kind(429, message, type="insufficient_quota", code="insufficient_quota", headers=NO_RETRY)


def unexpected() -> GatewayError:
    """500 for an error that was not foreseen; its traceback is in the log and not in the answer."""
    return GatewayError(500, "The gateway failed; its log says more under this request id.")


def stopping() -> GatewayError:
    return GatewayError(503, "The gateway is stopping; ask again.", code="gateway_stopping", retry_after=1.0)


def from_upstream(error: APIError) -> GatewayError:
    """A client's error for an error of Replicate's, or of the connection to it.

    A refused key or an unpaid account is the gateway's, not the client's. With a 401 clients would look for
    the mistake in their own keys, so it becomes a 502.
    """
    message = error.message
    match error:
        case AuthenticationError() | PermissionDeniedError():
            message = (
                f"Replicate refused the gateway's own API key for this model ({error.status_code}); "
                "its operator must look at it."
            )
            return GatewayError(502, message, code="upstream_authentication", headers=NO_RETRY)
        case InsufficientCreditError():
            message = "The gateway's account at Replicate has no credit left."
            return GatewayError(402, message, type="insufficient_quota", code="upstream_credit")
        case RateLimitError():
            wait = error.retry_after or 1.0
            return GatewayError(429, message, type="requests", code="rate_limit_exceeded", retry_after=wait)
        case BadRequestError() | NotFoundError():
            status = error.status_code if error.status_code in (404, *REFUSALS) else 400
            return GatewayError(status, message, param=error.param, code=error.code)
        case Timeout():
            return GatewayError(408, message, type=error.type, code=error.code, headers=NO_RETRY)
        case AnswerMisfitError():
            return GatewayError(422, message, code=error.code, failed_generation=error.text)
        case PredictionFailedError() | PredictionCanceledError():
            return GatewayError(500, message, code=error.code, headers=NO_RETRY)
        case APIConnectionError():
            message = "Replicate could not be reached, or the connection to it broke."
            return GatewayError(502, message, code="upstream_unreachable")
        case ServiceUnavailableError():
            return GatewayError(
                503, message, code="upstream_unavailable", retry_after=error.retry_after or None
            )
    return GatewayError(502, message, code="upstream_error")


def let_go(error: BaseException | None) -> None:
    """Frees what the functions had through which an error came. They refer to it and it to them, so that large
    requests that fail would fill the memory until Python next looks for such circles."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        clear_frames(error.__traceback__)
        error.__traceback__ = None
        error = error.__cause__ or error.__context__
