"""Options of the command that are given as `NAME=VALUE`."""

from __future__ import annotations

from typing import Any

import click
import msgspec


def parsed_pairs(pairs: tuple[str, ...], option: str = "--option") -> dict[str, Any]:
    """`NAME=VALUE` as values: JSON if it is that, else text."""
    parsed: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"{pair!r} is not NAME=VALUE.", param_hint=option)
        try:
            parsed[name] = msgspec.json.decode(value)
        except msgspec.DecodeError:
            parsed[name] = value
    return parsed
