"""Fields of several routes' requests and answers: texts, durations, times, and pages of a list."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from ..errors import bad_request
from ..mismatch import pattern

if TYPE_CHECKING:
    from typing_extensions import Self

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "mo": 30 * 86400}

Text = Annotated[str, pattern(r"^[^\u0000]*$", "a string without NUL characters")]
"""PostgreSQL keeps no NUL in a text."""
Duration = Annotated[
    str,
    pattern(
        r"^[1-9][0-9]{0,8}(s|m|h|d|mo)$",
        "a duration such as 45s, 90m, 12h, 30d or 1mo",
        description="Such as 45s, 90m, 12h, 30d or 1mo (30 days).",
    ),
]


class ListPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of a list: the subclasses say of what."""

    object: Literal["list"] = "list"
    data: list[Any]
    first_id: str | None
    last_id: str | None
    has_more: bool

    @classmethod
    def of(cls, found: list[Any], limit: int, id_of: Callable[[Any], str] = attrgetter("id")) -> Self:
        """The first `limit` of what was found; there are more pages if more was found."""
        data = found[:limit]
        first, last = (id_of(data[0]), id_of(data[-1])) if data else (None, None)
        return cls(data=data, first_id=first, last_id=last, has_more=len(found) > limit)


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
    """Seconds since 1970 of a day or a time, in UTC by default; with `end`, of a day's last moment."""
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
