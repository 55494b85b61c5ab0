"""The database's tables, whose columns come from the structs of their rows."""

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
    Insert,
    Integer,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    func,
    insert,
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
            nullable=type(None) in get_args(annotation),
            unique=field == unique or None,
        )
        for field, annotation in typing.get_type_hints(struct, include_extras=True).items()
    ]
    return Table(name, metadata, *columns, *further)


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
    Column("bytes", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
)
"""What the Responses API keeps, if the configuration says so; `bytes` counts the items, too."""
Index("areplicate_responses_key", responses.c.key_id, responses.c.expires_at, responses.c.bytes)

response_items = Table(
    "areplicate_response_items",
    metadata,
    Column("response_id", Text, primary_key=True),
    Column("item_id", Text, primary_key=True, index=True),
    Column("body", Text, nullable=False),
)
"""The items of those responses, which later requests may refer to."""


def added(table: Table, row: msgspec.Struct, **further: Any) -> Insert:
    """The statement that adds a struct as a row; `further` columns count more than its fields."""
    return insert(table).values(**{**msgspec.structs.asdict(row), **further})


_LOCK = 0x617265706C6963  # any number that other users of the database do not take
_VERSION = 4
"""Of these tables. Raise it with the first change after a release, and bring older databases up to date here."""


def create_tables(connection: Connection) -> None:
    """Makes the tables in a database that has none, under a lock that all its gateways share.

    Raises:
        RuntimeError: its tables are of another version.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    _versions.create(connection, checkfirst=True)
    version = connection.execute(select(func.max(_versions.c.version))).scalar()
    if version is None:
        metadata.create_all(connection)
        connection.execute(insert(_versions).values(version=_VERSION))
    elif version != _VERSION:
        raise RuntimeError(
            f"the database's tables are of version {version}, and this areplicate's of version {_VERSION}: install "
            "the areplicate that made them, or give general_settings.database_url another database"
        )
