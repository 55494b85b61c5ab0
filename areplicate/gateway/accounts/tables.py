"""The database's tables: a struct for the rows of each, whose fields are the columns."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from .key_limits import Hold
from .keys import Key
from .transaction import Transaction, definitions

BatchStatus = Literal[
    "validating",
    "in_progress",
    "finalizing",
    "completed",
    "failed",
    "expired",
    "cancelling",
    "cancelled",
]
UNFINISHED: tuple[BatchStatus, ...] = ("validating", "in_progress", "finalizing", "cancelling")


class UsageRow(msgspec.Struct, frozen=True, kw_only=True):
    """One request. Times are in seconds, `at` since 1970; money is in US dollars.

    Attributes:
        model: the name that the client asked for; `answered_by`: the name that answered, if that is
            another one; `upstream_model`: what that is at Replicate.
        prediction_id: the first of its `predictions`.
        seconds: from the request to the end of its answer.
        queue_s, boot_s, run_s: its predictions' time, added up.
        cost: null if the model has no price here.
    """

    request_id: str
    at: float
    key_id: str | None
    endpoint: str
    model: str | None
    answered_by: str | None = None
    upstream_model: str | None
    prediction_id: str | None
    predictions: int = 1
    streamed: bool
    status: int
    seconds: float
    prompt_tokens: int
    completion_tokens: int
    queue_s: float
    boot_s: float
    run_s: float
    cost: float | None


class AuditRow(msgspec.Struct, frozen=True, kw_only=True):
    """One change of a key. `at` is in seconds since 1970, by the database's clock.

    Attributes:
        actor: `master key`, or the `key_id` of who asked for it; `address`: where that came from.
        action: the route's name, such as `generate` or `block`.
        changed: the fields that it set, as they are now.
        request_id: of the request that did it, to find it in the log.
    """

    id: str
    at: float
    actor: str
    address: str | None = None
    action: str
    key_id: str
    changed: dict[str, Any] = {}
    request_id: str


class FileRow(msgspec.Struct, frozen=True, kw_only=True):
    """A file. Times are in seconds since 1970.

    Attributes:
        key_id: its key; None for files of the master key, or of anybody if there is no master key.
        bytes: its length.
    """

    id: str
    key_id: str | None
    created_at: float
    bytes: int
    filename: str
    purpose: str


class BatchFields(msgspec.Struct, frozen=True, kw_only=True):
    """What a batch is, for its key and in the database. The names are OpenAI's; times are in seconds since 1970, by
    the database's clock."""

    id: str
    endpoint: str
    input_file_id: str
    completion_window: str
    status: BatchStatus = "validating"
    created_at: float
    expires_at: float
    in_progress_at: float | None = None
    finalizing_at: float | None = None
    completed_at: float | None = None
    failed_at: float | None = None
    expired_at: float | None = None
    cancelling_at: float | None = None
    cancelled_at: float | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None
    metadata: dict[str, str] | None = None


class BatchRow(BatchFields, frozen=True, kw_only=True):
    """A batch.

    Attributes:
        total, completed, failed: requests.
        expected: dollars that all of it is expected to cost.
        leased_by: the process that works on it, until `leased_until`.
    """

    key_id: str | None
    total: int = 0
    completed: int = 0
    failed: int = 0
    errors: list[dict[str, Any]] | None = None
    expected: float = 0.0
    leased_by: str | None = None
    leased_until: float | None = None


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
