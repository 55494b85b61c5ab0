"""SQL within one transaction of a SQLite or PostgreSQL database, with structs as the rows of its tables.

Both databases get the same SQL. Its values are named, such as `:id`, and never part of its text. `:now` is the time
by the database's clock. A list of texts stands for its items, as in `id IN :ids`. A struct's fields are columns; in
them, lists and objects are JSON.
"""

from __future__ import annotations

import json
import re
import types
import typing
from collections.abc import Iterable
from functools import cache
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

import msgspec

T = TypeVar("T")

_VALUE = re.compile(r":(\w+)")
_LIST = re.compile(r"\bIN :(\w+)")
_MOST_VALUES = 999
"""In one statement: SQLite's bound before version 3.32."""
_TYPES: dict[Any, str] = {str: "TEXT", float: "DOUBLE PRECISION", int: "BIGINT", bool: "BOOLEAN"}


class Transaction(msgspec.Struct, frozen=True):
    """A transaction that has begun at `now`, in seconds since 1970; who began it also ends it."""

    _connection: Any
    """The driver's, with rows as dictionaries."""
    now: float
    is_sqlite: bool

    def execute(self, sql: str, **values: Any) -> int:
        """Changes rows; gives how many."""
        changed: int = self._run(sql, values).rowcount
        return changed

    def rows(self, kind: type[T], sql: str, **values: Any) -> list[T]:
        """What a query finds, each row as a struct or a dictionary."""
        return [_read(kind, row) for row in self._run(sql, values).fetchall()]

    def row(self, kind: type[T], sql: str, **values: Any) -> T | None:
        """The first of `rows`; None if there is none."""
        row = self._run(sql, values).fetchone()
        return None if row is None else _read(kind, row)

    def value(self, sql: str, **values: Any) -> Any:
        """The first row's only value; None if there is no row."""
        row = self._run(sql, values).fetchone()
        return None if row is None else next(iter(row.values()))

    def add(self, table: str, *rows: msgspec.Struct | dict[str, Any], **further: Any) -> None:
        """Adds rows, which are structs or the values of their columns; `further` columns count more than their own."""
        added = [{**_columns_of(row), **further} for row in rows]
        if not added:
            return
        columns = ", ".join(added[0])
        places = ", ".join(["?" if self.is_sqlite else "%s"] * len(added[0]))
        most = _MOST_VALUES // len(added[0])
        for begin in range(0, len(added), most):
            some = added[begin : begin + most]
            # One statement for all: with one for each, SQLite's thread and the event loop's would wait for each other
            # as often.
            sql = f"INSERT INTO {table} ({columns}) VALUES " + ", ".join([f"({places})"] * len(some))
            self._connection.execute(sql, [value for row in some for value in row.values()])

    def _run(self, sql: str, values: dict[str, Any]) -> Any:
        values["now"] = self.now
        if self.is_sqlite:
            values = {
                name: json.dumps(value) if isinstance(value, list) else value
                for name, value in values.items()
            }
        return self._connection.execute(_spelled(sql, is_sqlite=self.is_sqlite), values)


@cache
def _spelled(sql: str, *, is_sqlite: bool) -> str:
    """The statement as the driver takes it: the same for lists of any length, so that it is parsed once."""
    if is_sqlite:
        return _LIST.sub(r"IN (SELECT value FROM json_each(:\1))", sql)
    return _VALUE.sub(r"%(\1)s", _LIST.sub(r"IN (SELECT unnest(:\1 :: text[]))", sql))


def assigned(names: Iterable[str]) -> str:
    """Columns that are set to the values of the same names, for `UPDATE ... SET`."""
    return ", ".join(f"{name} = :{name}" for name in names)


def owned(key_id: str | None) -> str:
    """The condition for a key's own rows, by the value `:key_id`; without a key for those of nobody."""
    return "key_id IS NULL" if key_id is None else "key_id = :key_id"


def definitions(struct: type[msgspec.Struct]) -> list[str]:
    """A struct's columns, as `CREATE TABLE` takes them."""
    return [
        f"{name} {_TYPES.get(_stored_type(hint), 'TEXT')}{'' if type(None) in get_args(hint) else ' NOT NULL'}"
        for name, hint in _hints(struct).items()
    ]


def stored(kind: type[msgspec.Struct], values: dict[str, Any]) -> dict[str, Any]:
    """Fields of a kind of rows as the values of their columns, in the same dictionary."""
    for name in _json_columns(kind):
        if values.get(name) is not None:
            values[name] = json.dumps(values[name])
    return values


def _columns_of(row: msgspec.Struct | dict[str, Any]) -> dict[str, Any]:
    return row if isinstance(row, dict) else stored(type(row), msgspec.structs.asdict(row))


def _read(kind: type[T], row: dict[str, Any]) -> T:
    """A struct of this kind, or a dictionary, from the values of its columns; SQLite's truth is 0 or 1."""
    for name in _json_columns(kind):  # type: ignore[arg-type]
        if row[name] is not None:
            row[name] = json.loads(row[name])
    return msgspec.convert(row, kind, strict=False)


@cache
def _json_columns(kind: type) -> list[str]:
    if not issubclass(kind, msgspec.Struct):
        return []
    return [name for name, hint in _hints(kind).items() if _stored_type(hint) not in _TYPES]


def _hints(struct: type[msgspec.Struct]) -> dict[str, Any]:
    return typing.get_type_hints(struct, include_extras=True)


def _stored_type(hint: Any) -> Any:
    """The type of a field's values but for None; that of words is `str`."""
    if get_origin(hint) in (types.UnionType, typing.Union, Annotated):
        return _stored_type(next(option for option in get_args(hint) if option is not type(None)))
    return str if get_origin(hint) is Literal else hint
