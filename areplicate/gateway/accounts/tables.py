"""The database's tables, and the steps that brought them there.

A table's columns are the fields of the struct that its rows are. The steps are numbered and run once
each, in order, inside one transaction under a lock that all gateways of a database share. Alembic would
do the same; importing it (1.20, on CPython 3.11, with SQLAlchemy there already) takes 0.26 s of CPU and
12 MB. It pays off where migrations are generated and branch, which these few do not.
"""

from __future__ import annotations

import json
import types
import typing
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    insert,
    inspect,
    select,
    text,
)
from sqlalchemy.engine import Connection, Dialect

from .key_limits import Hold
from .keys import Key
from .rows import AuditRow, BatchRow, FileRow, UsageRow


class _AsJSON(TypeDecorator[Any]):
    """A list or an object, as text."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else json.dumps(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return None if value is None else json.loads(value)


_TYPES: dict[type, Any] = {str: Text, float: Double, int: BigInteger, bool: Boolean}

metadata = MetaData()


def _table(
    name: str, struct: type[msgspec.Struct], key: str, *further: Column[Any], unique: str = ""
) -> Table:
    """A table with a column for each field of the struct."""
    columns = [
        Column(
            field,
            _type(annotation),
            primary_key=field == key,
            nullable=_is_optional(annotation),
            unique=field == unique or None,
        )
        for field, annotation in typing.get_type_hints(struct, include_extras=True).items()
    ]
    return Table(name, metadata, *columns, *further)


def _is_optional(annotation: Any) -> bool:
    return type(None) in get_args(annotation)


def _type(annotation: Any) -> Any:
    options = [option for option in get_args(annotation) if option is not type(None)]
    if get_origin(annotation) in (types.UnionType, typing.Union, Annotated):
        return _type(options[0])
    if get_origin(annotation) is Literal:
        return Text
    return _TYPES.get(annotation, _AsJSON)


keys = _table("areplicate_keys", Key, "id", unique="hash")

usage = _table("areplicate_usage", UsageRow, "request_id")
Index("areplicate_usage_at", usage.c.at)
Index("areplicate_usage_key", usage.c.key_id, usage.c.at)

holds = _table(
    "areplicate_holds",
    Hold,
    "id",
    Column("process", Text, nullable=False, index=True),
    Column("ended_at", Double),
)
"""What requests in flight may take, and for as long as it counts, what ended ones took."""
Index("areplicate_holds_key", holds.c.key_id)

audit = _table("areplicate_audit", AuditRow, "id")
"""Who did what to which key."""
Index("areplicate_audit_key", audit.c.key_id, audit.c.at)

files = _table("areplicate_files", FileRow, "id")
Index("areplicate_files_key", files.c.key_id, files.c.created_at)

batches = _table("areplicate_batches", BatchRow, "id")
Index("areplicate_batches_key", batches.c.key_id, batches.c.created_at)

processes = Table(
    "areplicate_processes",
    metadata,
    Column("id", Text, primary_key=True),
    Column("seen_at", Double, nullable=False),
)
"""The gateways' signs of life: requests in flight in a dead gateway no longer count."""

_versions = Table("areplicate_schema", MetaData(), Column("version", Integer, primary_key=True))

responses = Table(
    "areplicate_responses",
    metadata,
    Column("id", Text, primary_key=True),
    Column("key_id", Text),
    Column("expires_at", Double, nullable=False, index=True),
    Column("body", Text, nullable=False),
)
"""What the Responses API keeps, if the configuration says so."""

response_items = Table(
    "areplicate_response_items",
    metadata,
    Column("response_id", Text, primary_key=True),
    Column("item_id", Text, primary_key=True, index=True),
    Column("body", Text, nullable=False),
)
"""The items of those responses, which later requests may refer to."""

_LOCK = 0x617265706C6963  # any number that other users of the database do not take


def _limits_by_their_names(connection: Connection) -> None:
    """Holds in place of in_flight; keys' limits by the admin API's names; costs that may be unknown."""
    connection.execute(text("DROP TABLE areplicate_in_flight"))
    _rebuild(
        connection, keys, {"rpm_limit": "rpm", "max_parallel_requests": "max_parallel"}, {"role": "'user'"}
    )
    _rebuild(connection, usage, {}, {"predictions": "1"})
    metadata.create_all(connection)


def _stored_responses(connection: Connection) -> None:
    metadata.create_all(connection, [responses, response_items])


def _files_and_batches(connection: Connection) -> None:
    metadata.create_all(connection, tables=[files, batches])


_STEPS = (metadata.create_all, _limits_by_their_names, _stored_responses, _files_and_batches)
"""Append only: a database remembers how many it has been through. A new one begins with all of them."""


def migrate(connection: Connection, now: float) -> None:
    """Brings the database's tables up to date.

    Raises:
        RuntimeError: the database has been through steps that this version does not know.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    _versions.create(connection, checkfirst=True)
    done = connection.execute(select(_versions.c.version).order_by(_versions.c.version.desc())).scalar() or 0
    if done > len(_STEPS):
        raise RuntimeError(
            f"the database is at version {done}, and this areplicate knows {len(_STEPS)}: upgrade areplicate"
        )
    if not done:
        metadata.create_all(connection)
    for version in range(done + 1, len(_STEPS) + 1):
        if done:
            _STEPS[version - 1](connection)
        connection.execute(insert(_versions).values(version=version))


def _rebuild(connection: Connection, table: Table, renamed: dict[str, str], new: dict[str, str]) -> None:
    """Makes a table again as it is declared now, with its rows; SQLite cannot change a column in place.

    Args:
        renamed: columns' former names, by their present ones.
        new: what a column that was not there holds in the old rows, as SQL.
    """
    old = f"{table.name}_old"
    there = {column["name"] for column in inspect(connection).get_columns(table.name)}
    connection.execute(text(f"ALTER TABLE {table.name} RENAME TO {old}"))
    for index in inspect(connection).get_indexes(old):
        if not index.get("duplicates_constraint") and not str(index["name"]).startswith("sqlite_"):
            connection.execute(text(f"DROP INDEX {index['name']}"))
    table.create(connection)
    values = {
        column.name: renamed.get(column.name) or new.get(column.name) or column.name
        for column in table.columns
        if column.name in there or column.name in renamed or column.name in new
    }
    names, sources = ", ".join(f'"{name}"' for name in values), ", ".join(values.values())
    connection.execute(text(f"INSERT INTO {table.name} ({names}) SELECT {sources} FROM {old}"))
    connection.execute(text(f"DROP TABLE {old}"))
