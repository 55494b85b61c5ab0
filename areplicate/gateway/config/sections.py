"""Reading one section of the configuration: each key checked, the unknown ones warned of."""

from __future__ import annotations

import math
import os
from typing import Any

from .yaml_file import ConfigError, Located

_ENVIRONMENT = "os.environ/"


class Section:
    """A mapping of the configuration, read key by key.

    Each reader gives the default where the key is missing or empty, resolves `os.environ/NAME`, and
    raises `ConfigError` with file, line and key where the value is wrong.
    """

    def __init__(self, located: Located, warnings: list[str]) -> None:
        if located.value is None:
            located.value = {}
        if not isinstance(located.value, dict):
            raise located.wrong(f"is to be a mapping of keys to values, not {kind(located.value)}.")
        self.located = located
        self.warnings = warnings
        self._left: dict[str, Located] = dict(located.value)

    def take(self, key: str) -> Located | None:
        """The value, where there is one; the key then counts as known."""
        found = self._left.pop(key, None)
        return None if found is None or found.value is None else found

    def need(self, key: str) -> Located:
        found = self.take(key)
        if found is None:
            where = f"{self.located.key}.{key}" if self.located.key else key
            raise ConfigError(f"{self.located.at()}: {where}: is missing.")
        return found

    def text(self, key: str) -> str | None:
        found = self.take(key)
        return None if found is None else text_of(found)

    def optional_secret(self, key: str) -> str | None:
        """A text for which an unset environment variable means that there is none, with a warning."""
        found = self.take(key)
        if found is None:
            return None
        name = environment_name(found.value)
        if name is not None and not os.environ.get(name):
            self.warnings.append(f"{found.at()}: {found.key}: {name} is not set: the default is used.")
            return None
        return text_of(found)

    def number(self, key: str, default: float, *, least: float = 0.0) -> float:
        found = self.take(key)
        return default if found is None else number_of(found, least)

    def whole(self, key: str, *, least: int = 0) -> int | None:
        found = self.take(key)
        if found is None:
            return None
        value = number_of(found, least)
        if value != int(value):
            raise found.wrong(f"is to be a whole number, not {value:g}.")
        return int(value)

    def flag(self, key: str, default: bool = False) -> bool:
        found = self.take(key)
        if found is None:
            return default
        if not isinstance(found.value, bool):
            raise found.wrong(f"is to be true or false, not {kind(found.value)}.")
        return found.value

    def section(self, key: str) -> Section:
        """A section below this one; empty where it is missing."""
        found = self.take(key)
        if found is None:
            found = Located({}, self.located.file, self.located.line, key)
        return Section(found, self.warnings)

    def rest(self) -> dict[str, Located]:
        """What was not taken, which then counts as known."""
        rest, self._left = self._left, {}
        return rest

    def ignore(self, *keys: str, why: str) -> None:
        """Keys that other gateways know and this one has no use for."""
        for key in keys:
            if (found := self._left.pop(key, None)) is not None:
                self.warnings.append(f"{found.at()}: {found.key}: {why}")

    def finish(self) -> None:
        """Warns of the keys that nobody took."""
        for found in self.rest().values():
            self.warnings.append(f"{found.at()}: {found.key}: is not known here and changes nothing.")


def environment_name(value: Any) -> str | None:
    """`NAME` of a value `os.environ/NAME`."""
    if isinstance(value, str) and value.startswith(_ENVIRONMENT):
        return value.removeprefix(_ENVIRONMENT)
    return None


def resolved(found: Located) -> Any:
    """The value, with `os.environ/NAME` replaced by what that variable holds."""
    name = environment_name(found.value)
    if name is None:
        return found.plain()
    value = os.environ.get(name)
    if not value:
        raise found.wrong(f"the environment variable {name!r} is not set.")
    return value


def text_of(found: Located) -> str:
    value = resolved(found)
    if not isinstance(value, str) or not value.strip():
        raise found.wrong(f"is to be a text, not {kind(value)}.")
    return value.strip()


def number_of(found: Located, least: float) -> float:
    value = resolved(found)
    if isinstance(value, str):  # from the environment, or 1e-6, which YAML 1.1 reads as a text
        try:
            value = float(value)
        except ValueError:
            raise found.wrong(f"is to be a number, not {value[:40]!r}.") from None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise found.wrong(f"is to be a number, not {kind(value)}.")
    if value < least:
        raise found.wrong(f"is to be at least {least:g}, not {value:g}.")
    return float(value)


def kind(value: Any) -> str:
    """What a value is, for messages; never the value itself, which may be a secret."""
    match value:
        case None:
            return "empty"
        case bool():
            return "true or false"
        case str():
            return "a text" if value.strip() else "an empty text"
        case int() | float():
            return "a number"
        case list():
            return "a list"
        case dict():
            return "a mapping"
    return type(value).__name__
