"""What a creation asks for: its body, and the headers `Prefer` and `Cancel-After`."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import msgspec

from .refusals import Refusal, invalid

LONGEST_WAIT = 60
SHORTEST_DEADLINE = 5
WEBHOOK_EVENTS = ("start", "output", "logs", "completed")

_PREFER = re.compile(r"wait(=([1-9]|[1-9][0-9]|60))?")
_CANCEL_AFTER = re.compile(r"(?=\d)(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?")
_KEYS = {"input", "stream", "webhook", "webhook_events_filter"}


class Creation(NamedTuple):
    """A valid creation: the input, and the version where one may be named."""

    input: dict[str, Any]
    version: str


def parse_creation(body: bytes, *, by_version: bool) -> Creation:
    """The body of a creation; `by_version` is `POST /predictions`, the one that takes a `version`.

    Raises Refusal: 400 where it is no JSON object, 422 where it breaks the published schema.
    """
    try:
        fields = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refusal(400, f"The request body is not valid JSON: {error}", title="Bad request") from None
    if not isinstance(fields, dict):
        raise invalid([("invalid_type", "", f"Invalid type. Expected: object, given: {_kind(fields)}")])
    faults = list(_faults(fields, by_version))
    if faults:
        raise invalid(faults)
    return Creation(fields["input"], fields.get("version", ""))


def _faults(fields: dict[str, Any], by_version: bool) -> list[tuple[str, str, str]]:
    required = ("version", "input") if by_version else ("input",)
    faults = [("required", name, f"{name} is required") for name in required if name not in fields]
    faults += [
        ("additional_property_not_allowed", "", f"Additional property {name} is not allowed")
        for name in sorted(fields.keys() - _KEYS - set(required))
    ]
    for name, kind in (("input", dict), ("version", str), ("stream", bool), ("webhook", str)):
        if (
            name in fields
            and not isinstance(fields[name], kind)
            and not (name == "version" and not by_version)
        ):
            wanted = _kind(kind())
            faults.append(
                ("invalid_type", name, f"Invalid type. Expected: {wanted}, given: {_kind(fields[name])}")
            )
    webhook = fields.get("webhook")
    if isinstance(webhook, str) and not webhook.startswith("https://"):
        faults.append(("format", "webhook", "Does not match format 'https url'"))
    events = fields.get("webhook_events_filter", [])
    if not isinstance(events, list) or not all(event in WEBHOOK_EVENTS for event in events):
        faults.append(
            (
                "enum",
                "webhook_events_filter",
                f"webhook_events_filter must be among the following: {', '.join(WEBHOOK_EVENTS)}",
            )
        )
    return faults


def _kind(value: Any) -> str:
    names = {dict: "object", list: "array", str: "string", bool: "boolean", int: "integer", float: "number"}
    return names.get(type(value), "null")


def parse_prefer(header: str | None) -> float | None:
    """Seconds for which `Prefer: wait` holds the creation open, or None without that header."""
    if header is None:
        return None
    match = _PREFER.fullmatch(header)
    if match is None:
        raise invalid([("pattern", "Prefer", "Does not match pattern '^wait(=([1-9]|[1-9][0-9]|60))?$'")])
    # The published pattern lets 61 to 99 through; the service holds on for 60 seconds at most.
    return min(LONGEST_WAIT, int(match[2] or LONGEST_WAIT))


def parse_cancel_after(header: str | None) -> float | None:
    """Seconds of `Cancel-After: 1h30m45s`, or None without that header; a bare number is seconds."""
    if header is None:
        return None
    match = _CANCEL_AFTER.fullmatch(header.strip())
    if match is None:
        raise invalid([("format", "Cancel-After", "Must be a duration such as 90s, 5m or 1h30m45s")])
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    total = hours * 3600 + minutes * 60 + seconds
    if total < SHORTEST_DEADLINE:
        raise invalid([("number_gte", "Cancel-After", f"Must be at least {SHORTEST_DEADLINE} seconds")])
    return total
