"""The database's tables, and the steps that brought them there.

The steps are numbered and run once each, in order, inside one transaction under a lock that all
gateways of a database share. Alembic would do the same; importing it (1.20, on CPython 3.11, with
SQLAlchemy there already) takes 0.26 s of CPU and 12 MB. It pays off where migrations are generated and
branch, which these few do not.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    insert,
    select,
    text,
)
from sqlalchemy.engine import Connection

metadata = MetaData()

keys = Table(
    "areplicate_keys",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("hash", String(64), nullable=False, unique=True),
    Column("hint", String(8), nullable=False),
    Column("alias", Text),
    Column("models", Text, nullable=False),
    Column("metadata", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double),
    Column("rpm", BigInteger),
    Column("max_parallel", BigInteger),
    Column("max_budget", Double),
    Column("blocked", Boolean, nullable=False),
    Column("spend", Double, nullable=False),
    Column("tat", Double, nullable=False),
)

usage = Table(
    "areplicate_usage",
    metadata,
    Column("request_id", String(40), primary_key=True),
    Column("at", Double, nullable=False),
    Column("key_id", String(40)),
    Column("endpoint", Text, nullable=False),
    Column("model", Text),
    Column("upstream_model", Text),
    Column("prediction_id", Text),
    Column("streamed", Boolean, nullable=False),
    Column("status", Integer, nullable=False),
    Column("seconds", Double, nullable=False),
    Column("prompt_tokens", BigInteger, nullable=False),
    Column("completion_tokens", BigInteger, nullable=False),
    Column("queue_s", Double, nullable=False),
    Column("boot_s", Double, nullable=False),
    Column("run_s", Double, nullable=False),
    Column("cost", Double, nullable=False),
)
_usage_by_time = Index("areplicate_usage_at", usage.c.at)
_usage_by_key = Index("areplicate_usage_key", usage.c.key_id, usage.c.at)

in_flight = Table(
    "areplicate_in_flight",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("key_id", String(40), nullable=False, index=True),
    Column("process", String(40), nullable=False, index=True),
    Column("hold", Double, nullable=False),
)
"""Requests on their way that count against a key, of all gateways that share the database."""

processes = Table(
    "areplicate_processes",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("seen_at", Double, nullable=False),
)
"""The gateways' signs of life: what is in flight in a dead one no longer counts."""

_versions = Table("areplicate_schema", MetaData(), Column("version", Integer, primary_key=True))

_LOCK = 0x617265706C6963  # any number that other users of the database do not take


def _first_tables(connection: Connection) -> None:
    metadata.create_all(connection)


_STEPS = (_first_tables,)
"""Append only: a database remembers how many it has been through."""


def migrate(connection: Connection) -> None:
    """Brings the database's tables up to date.

    Raises:
        RuntimeError: the database has been through steps that this version does not know.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    else:
        connection.execute(text("BEGIN IMMEDIATE"))
    _versions.create(connection, checkfirst=True)
    done = connection.execute(select(_versions.c.version).order_by(_versions.c.version.desc())).scalar() or 0
    if done > len(_STEPS):
        raise RuntimeError(
            f"the database is at version {done}, and this areplicate knows {len(_STEPS)}: upgrade areplicate"
        )
    for version in range(done + 1, len(_STEPS) + 1):
        _STEPS[version - 1](connection)
        connection.execute(insert(_versions).values(version=version))
