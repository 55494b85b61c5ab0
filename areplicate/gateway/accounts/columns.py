"""Structs as rows of tables: which column a field has, and what is stored in it. Lists and objects are JSON."""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Callable, Mapping
from functools import cache
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

import msgspec

T = TypeVar("T")

_TYPES: dict[Any, str] = {str: "TEXT", float: "DOUBLE PRECISION", int: "BIGINT", bool: "BOOLEAN"}


def definitions(struct: type[msgspec.Struct]) -> list[str]:
    """Its columns, as `CREATE TABLE` takes them."""
    return [
        f"{name} {_TYPES.get(_stored_type(hint), 'TEXT')}{'' if type(None) in get_args(hint) else ' NOT NULL'}"
        for name, hint in _hints(struct).items()
    ]


def stored(row: msgspec.Struct | Mapping[str, Any]) -> dict[str, Any]:
    """The values of its columns."""
    fields = row if isinstance(row, Mapping) else msgspec.structs.asdict(row)
    return {
        name: json.dumps(value) if isinstance(value, (dict, list, tuple)) else value
        for name, value in fields.items()
    }


def read(kind: type[T], row: dict[str, Any]) -> T:
    """A struct of this kind, or a dictionary, from the values of its columns."""
    for name, read_one in _readers(kind).items():  # type: ignore[arg-type]
        if row[name] is not None:
            row[name] = read_one(row[name])
    return kind(**row)


@cache
def _readers(kind: type) -> dict[str, Callable[[Any], Any]]:
    """What makes a field's value of the stored one, where that is another: SQLite's truth is 0 or 1."""
    if not issubclass(kind, msgspec.Struct):
        return {}
    types = {name: _stored_type(hint) for name, hint in _hints(kind).items()}
    return {
        name: bool if type is bool else json.loads
        for name, type in types.items()
        if type is bool or type not in _TYPES
    }


def _hints(struct: type[msgspec.Struct]) -> dict[str, Any]:
    return typing.get_type_hints(struct, include_extras=True)


def _stored_type(hint: Any) -> Any:
    """The type of a field's values but for None; that of words is `str`."""
    if get_origin(hint) in (types.UnionType, typing.Union, Annotated):
        return _stored_type(next(option for option in get_args(hint) if option is not type(None)))
    return str if get_origin(hint) is Literal else hint
