"""Replicate's error answers, `application/problem+json` and otherwise, as exceptions."""

from __future__ import annotations

import math
import re
from email.utils import parsedate_to_datetime
from time import time
from typing import Any

import msgspec

from ...errors import (
    APIError,
    AuthenticationError,
    BadRequestError,
    ContextWindowExceededError,
    InsufficientCreditError,
    InternalServerError,
    NotFoundError,
    PermissionDeniedError,
    PredictionCanceledError,
    PredictionFailedError,
    RateLimitError,
    ServiceUnavailableError,
    Timeout,
)
from .decoding import decoded
from .predictions import Prediction
from .requests import Response

_TOO_LONG = re.compile(
    r"prompt ?(?:is )?too ?long|prompt length .{1,20} exceeds|(?:maximum|exceeds? (?:the |its )?) ?context (?:length|window)"
    r"|exceed context window|context_length_exceeded|longer than the maximum model length"
    r"|input token count .{1,40} exceeds",
    re.IGNORECASE,
)
"""What models say of a prompt that is longer than what they read: Anthropic's and Replicate's own, TensorRT-LLM, vLLM and
OpenAI's, llama.cpp, vLLM's engine, Google's. Clients know it by its code, and shorten the conversation."""

_ERRORS: dict[int, type[APIError]] = {  # any other is an error of its hundred
    401: AuthenticationError,
    402: InsufficientCreditError,
    403: PermissionDeniedError,
    404: NotFoundError,
    407: AuthenticationError,
    408: Timeout,
    429: RateLimitError,
    503: ServiceUnavailableError,
}

_ADVICE = {
    401: "Check the key in REPLICATE_API_KEY or api_key=: https://replicate.com/account/api-tokens",
    402: "Add credit at https://replicate.com/account/billing",
    404: "Check the model's name, and that the key's account may see it",
    407: "The proxy wants a user and a password: give them in proxy= as http://user:password@host:port",
}

_RESETS_IN = re.compile(r"resets in ~?(\d+(?:\.\d+)?)\s*s")
_REDUCED = re.compile(r"reduced to (\d{1,9}) requests per minute with a burst of (\d{1,9})\b")
_TAGS = re.compile(r"<(script|style)\b.*?</\1\s*>|<[^>]*>", re.DOTALL | re.IGNORECASE)
_LONGEST_DETAIL = 1000
_LONGEST_PAGE = 4000


class Problem(msgspec.Struct, frozen=True):
    """A problem+json body (RFC 9457), with the fields that Replicate adds."""

    title: Any = None
    detail: Any = None
    invalid_fields: Any = None
    retry_after: Any = None


_decode_problem = msgspec.json.Decoder(Problem).decode


def error_from_response(response: Response) -> APIError:
    """The exception for an answer whose status is not 2xx."""
    status = response.status
    kind = _ERRORS.get(status) or _kind_of_other(status)
    detail = _detail(response)
    advice = _ADVICE.get(status)
    message = f"Replicate answered {status}: {detail}" + (f" {advice}." if advice else "")
    return kind(message, status_code=status, retry_after=retry_after(response))


def _kind_of_other(status: int) -> type[APIError]:
    if status >= 500:
        return InternalServerError
    return BadRequestError if status >= 400 else APIError


def _detail(response: Response) -> str:
    if 300 <= response.status < 400:
        target = response.headers.get("location", "nowhere")
        return f"a redirect to {target[:200]}, which is not followed. Check api_base."
    try:
        problem = decoded(_decode_problem, response.body)
    except ValueError:
        text = " ".join(_TAGS.sub(" ", response.body[:_LONGEST_PAGE].decode("utf-8", "replace")).split())
        return _sentence(text or "no explanation")
    parts = [str(part) for part in (problem.title, problem.detail) if part]
    if isinstance(problem.invalid_fields, list):
        said = ": ".join(parts)
        parts += [  # Replicate's detail often tells them already
            f"{f.get('field')}: {f.get('description')}"
            for f in problem.invalid_fields
            if isinstance(f, dict) and str(f.get("description")) not in said
        ]
    return _sentence(": ".join(parts) or response.body[:_LONGEST_DETAIL].decode("utf-8", "replace"))


def _sentence(text: str) -> str:
    text = text.strip()[:_LONGEST_DETAIL]
    return text if text.endswith((".", "!", "?")) else text + "."


def error_from_prediction(prediction: Prediction) -> APIError | None:
    """The exception for a terminal prediction; None if it succeeded and its output is there."""
    if prediction.status == "failed":
        why = _sentence(str(prediction.error or "it did not say why"))
        if _TOO_LONG.search(why):
            return ContextWindowExceededError(f"The prompt is too long for the model: {why}")
        return PredictionFailedError(f"The model failed: {why}")
    if prediction.status == "canceled":
        return PredictionCanceledError("The prediction was cancelled from elsewhere.")
    if prediction.status == "aborted":
        return PredictionCanceledError(
            "The prediction was aborted before it began; nothing is billed for it."
        )
    if prediction.terminal and prediction.status != "succeeded":
        why = prediction.error or "it has no error"
        return PredictionFailedError(
            f"The prediction ended as {prediction.status!r}, which areplicate does not know: {_sentence(str(why))}"
        )
    if prediction.data_removed and prediction.output is None:
        return APIError("The output has been removed: Replicate keeps it for an hour.")
    return None


def retry_after(response: Response) -> float | None:
    """Seconds until trying again makes sense, from the first of Replicate's four ways that says it."""
    headers = response.headers
    seconds = _seconds_or_date(headers.get("retry-after"), headers.get("date"))
    if seconds is not None or response.status != 429:
        return seconds
    try:
        written = str(decoded(_decode_problem, response.body).retry_after)
    except ValueError:
        written = ""
    if (seconds := _number(written)) is not None and seconds >= 0:
        return seconds
    if match := _RESETS_IN.search(_beginning(response)):
        return float(match[1])
    return _number(headers.get("ratelimit-reset"))


def reduced_limits(response: Response) -> tuple[float, int] | tuple[()]:
    """Requests a minute, and at once, to which a 429 says that the account is held; empty if it says nothing."""
    match = _REDUCED.search(_beginning(response))
    return (float(match[1]), int(match[2])) if match else ()


def _beginning(response: Response) -> str:
    return response.body[:2000].decode("utf-8", "replace")


def _number(text: str | None) -> float | None:
    try:
        number = float(text) if text else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _seconds_or_date(value: str | None, date: str | None) -> float | None:
    """Of a `Retry-After`; a date is read by the clock of the server that wrote it."""
    if (seconds := _number(value)) is not None:
        return max(0.0, seconds)
    try:
        then = parsedate_to_datetime(value or "").timestamp()
    except ValueError:
        return None
    try:
        return max(0.0, then - parsedate_to_datetime(date or "").timestamp())
    except ValueError:
        return max(0.0, then - time())
