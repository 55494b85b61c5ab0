"""Reads a creation: its body, and the headers `Prefer` and `Cancel-After`."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from ..replicate.protocol.requests import LONGEST_HOLD, SHORTEST_CANCEL_AFTER
from .refusals import InvalidField, Refusal, invalid
from .schemas import find_faults

_PREFER = re.compile(r"wait(=([1-9]|[1-9][0-9]|60))?")
_CANCEL_AFTER = re.compile(r"(?=\d)(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?")


class Creation(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The body that runs an official model or a deployment: `schemas_prediction_request`."""

    input: dict[str, Any]
    stream: bool = False
    webhook: Annotated[str, msgspec.Meta(pattern="^https://")] = ""
    webhook_events_filter: list[Literal["start", "output", "logs", "completed"]] = []


class VersionCreation(Creation):
    """The body of `POST /predictions`: `schemas_version_prediction_request`."""

    version: str


AnyCreation = TypeVar("AnyCreation", bound=Creation)


def parse_creation(body: bytes, kind: type[AnyCreation]) -> AnyCreation:
    """The body of a creation. Raises Refusal: 400 if it is not JSON, 422 if it breaks the schema."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise _explained(body, kind) from None


def _explained(body: bytes, kind: type[Creation]) -> Refusal:
    """What the decoder found wrong, field by field and in the service's words."""
    try:
        fields = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Refusal(400, f"The request body is not valid JSON: {error}", title="Bad request")
    schema = msgspec.json.schema(kind)
    return invalid(list(find_faults(schema, fields, "", schema["$defs"])))


def parse_prefer(header: str | None) -> float | None:
    """Seconds for which `Prefer: wait` holds the creation open, or None without that header."""
    if header is None:
        return None
    match = _PREFER.fullmatch(header)
    if match is None:
        raise _bad_header("Prefer", f"Does not match pattern '^{_PREFER.pattern}$'")
    # The published pattern lets 61 to 99 through; the service holds on for 60 seconds at most.
    return min(LONGEST_HOLD, int(match[2] or LONGEST_HOLD))


def parse_cancel_after(header: str | None) -> float | None:
    """Seconds of `Cancel-After: 1h30m45s`, or None without that header; a bare number is seconds."""
    if header is None:
        return None
    match = _CANCEL_AFTER.fullmatch(header.strip())
    if match is None:
        raise _bad_header("Cancel-After", "Must be a duration such as 90s, 5m or 1h30m45s")
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    total = hours * 3600 + minutes * 60 + seconds
    if total < SHORTEST_CANCEL_AFTER:
        raise _bad_header("Cancel-After", f"Must be at least {SHORTEST_CANCEL_AFTER} seconds")
    return total


def _bad_header(name: str, description: str) -> Refusal:
    return invalid([InvalidField("header", name, description)])
