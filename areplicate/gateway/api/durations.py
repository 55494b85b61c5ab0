"""Durations and dates, as requests write them."""

from __future__ import annotations

import datetime
import re
from typing import Annotated, Any

import msgspec

from ..errors import bad_request

_PATTERN = r"^[1-9][0-9]{0,8}(s|m|h|d|mo)$"
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "mo": 30 * 86400}

Duration = Annotated[
    str, msgspec.Meta(pattern=_PATTERN, description="Such as 45s, 90m, 12h, 30d or 1mo (30 days).")
]


def seconds_of(duration: str) -> float:
    """The seconds of a `Duration`."""
    number, unit = re.fullmatch(r"([0-9]+)([a-z]+)", duration).groups()  # type: ignore[union-attr]
    return float(int(number) * _SECONDS[unit])


def shown_duration(seconds: float | None) -> str | None:
    """The shortest way to write it."""
    if seconds is None:
        return None
    unit = next(unit for unit in ("d", "h", "m", "s") if seconds % _SECONDS[unit] == 0 or unit == "s")
    return f"{round(seconds / _SECONDS[unit])}{unit}"


def in_whole_seconds(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields of a row, with the times among them, whose names end in `_at`, as whole seconds."""
    return {
        name: int(value) if name.endswith("_at") and value is not None else value
        for name, value in fields.items()
    }


def time_of(text: str | None, param: str, *, end: bool = False) -> float | None:
    """Seconds since 1970 of a day or a time, in UTC if nothing else is said. `end` is for a day its last
    moment."""
    if text is None:
        return None
    try:
        moment = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise bad_request(
            f"{param} is {text[:50]!r}; it must be a day (2026-11-25) or a time (2026-11-25T12:00:00Z).",
            param=param,
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.timezone.utc)
    is_day = len(text) <= len("2026-11-25")
    return moment.timestamp() + (86400 if end and is_day else 0)
