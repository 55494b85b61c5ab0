"""The database's tables, whose columns come from the structs of their rows."""

from __future__ import annotations

import msgspec

from .columns import definitions
from .key_limits import Hold
from .keys import Key
from .rows import AuditRow, BatchRow, FileRow, UsageRow
from .transaction import Transaction


class _Process(msgspec.Struct):
    """A gateway's last sign of life: requests in flight in a dead one no longer count."""

    id: str
    seen_at: float


class _Response(msgspec.Struct):
    """What the Responses API keeps, if the configuration says so; `bytes` counts the items, too."""

    id: str
    key_id: str | None
    expires_at: float
    bytes: int
    body: str


class _ResponseItem(msgspec.Struct):
    """An item of such a response, which later requests may refer to."""

    response_id: str
    item_id: str
    body: str


class _Hold(Hold):
    """What a request in flight may take, and for as long as it counts, what one has taken that ended."""

    process: str
    ended_at: float | None


def _table(name: str, row: type[msgspec.Struct], key: str, *further: str) -> str:
    parts = ", ".join([*definitions(row), f"PRIMARY KEY ({key})", *further])
    return f"CREATE TABLE areplicate_{name} ({parts})"


_TABLES = (
    _table("keys", Key, "id", "UNIQUE (hash)"),
    _table("usage", UsageRow, "request_id"),
    _table("holds", _Hold, "id"),
    _table("audit", AuditRow, "id"),
    _table("files", FileRow, "id"),
    _table("batches", BatchRow, "id"),
    _table("processes", _Process, "id"),
    _table("responses", _Response, "id"),
    _table("response_items", _ResponseItem, "response_id, item_id"),
)
_INDEXES = {
    "usage_at": "usage (at)",
    "usage_key": "usage (key_id, at)",
    "holds_key": "holds (key_id)",
    "holds_process": "holds (process)",
    "audit_key": "audit (key_id, at)",
    "files_key": "files (key_id, created_at)",
    "batches_key": "batches (key_id, created_at)",
    "responses_expiry": "responses (expires_at)",
    "responses_key": "responses (key_id, expires_at, bytes)",
    "response_items_item": "response_items (item_id)",
}

_LOCK = 0x617265706C6963  # any number that other users of the database do not take
_VERSION = 4
"""Of these tables. Raise it with the first change after a release, and bring older databases up to date here."""


def create_tables(transaction: Transaction) -> None:
    """Makes the tables in a database that has none, under a lock that all its gateways share.

    Raises:
        RuntimeError: its tables are of another version.
    """
    if not transaction.is_sqlite:
        transaction.value("SELECT pg_advisory_xact_lock(:lock)", lock=_LOCK)
    if not _has_tables(transaction):
        transaction.execute("CREATE TABLE areplicate_schema (version INTEGER NOT NULL PRIMARY KEY)")
    version = transaction.value("SELECT MAX(version) FROM areplicate_schema")
    if version is None:
        for table in _TABLES:
            transaction.execute(table)
        for name, columns in _INDEXES.items():
            transaction.execute(f"CREATE INDEX areplicate_{name} ON areplicate_{columns}")
        transaction.execute("INSERT INTO areplicate_schema VALUES (:version)", version=_VERSION)
    elif version != _VERSION:
        raise RuntimeError(
            f"the database's tables are of version {version}, and this areplicate's of version {_VERSION}: install "
            "the areplicate that made them, or give general_settings.database_url another database"
        )


def _has_tables(transaction: Transaction) -> bool:
    # CREATE TABLE IF NOT EXISTS needs the right to create tables, even where there are some.
    known = (
        "SELECT COUNT(*) FROM sqlite_master WHERE name = 'areplicate_schema'"
        if transaction.is_sqlite
        else "SELECT to_regclass('areplicate_schema') IS NOT NULL"
    )
    return bool(transaction.value(known))
