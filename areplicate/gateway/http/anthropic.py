"""Errors and request ids in the form of Anthropic's API.

Source: "Errors" in Anthropic's API reference.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from aiohttp import web

from ..errors import GatewayError

_TYPES = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
}

_CODES = ("thread_unsupported_request",)
"""Codes that are Anthropic's, too."""


class ClaudeErrorCode(msgspec.Struct, frozen=True):
    """More of what happened, for programs."""

    error_code: str


class ClaudeErrorDetail(msgspec.Struct, frozen=True, omit_defaults=True):
    """What happened; the names are Anthropic's."""

    type: str
    message: str
    details: ClaudeErrorCode | None = None


class ClaudeErrorAnswer(msgspec.Struct, frozen=True):
    """The body of every answer that is an error, as Anthropic's API has it."""

    error: ClaudeErrorDetail
    request_id: str
    type: Literal["error"] = "error"


def is_anthropics(request: web.BaseRequest) -> bool:
    """Whether the request comes from a client of Anthropic's API: most send its version."""
    return "anthropic-version" in request.headers or "/messages" in request.path


def error_type(status: int) -> str:
    return _TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")


def envelope(error: GatewayError, request_id: str) -> bytes:
    """The body of an answer that is an error."""
    code = ClaudeErrorCode(error.code) if error.code in _CODES else None
    detail = ClaudeErrorDetail(error_type(error.status), error.message, code)
    return msgspec.json.encode(ClaudeErrorAnswer(detail, request_id))
