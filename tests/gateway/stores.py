"""Databases that a test opens itself, without a gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from areplicate.gateway.accounts.store import Store
from areplicate.gateway.accounts.tables import AuditRow
from areplicate.gateway.config.database_url import parse_database_url
from areplicate.gateway.config.settings import DatabaseSettings

MADE = AuditRow(id="1", at=0.0, actor="master key", action="generate", key_id="k", request_id="1")
"""For the audit, that somebody has made a key."""

_PATIENT = DatabaseSettings(
    database_connect_timeout=30, database_statement_timeout=30, database_lock_timeout=30
)
"""For as long as a busy machine may take."""


def closed(url: str, *, alone: bool = False) -> Store:
    """A database that is not open yet; `url` may be a file's name."""
    url = url if "://" in url else f"sqlite:///{url}"
    return Store(parse_database_url(url), _PATIENT, alone=alone)


@asynccontextmanager
async def opened(url: str, *, alone: bool = False) -> AsyncIterator[Store]:
    store = closed(url, alone=alone)
    try:
        await store.open()
        yield store
    finally:
        await store.aclose()


async def execute(store: Store, sql: str, **values: Any) -> None:
    await store.database.run(lambda transaction: transaction.execute(sql, **values))
