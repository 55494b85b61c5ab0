"""What the configuration says about accounts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec

from .database_url import DatabaseURL

_MOST = 1e9
"""The largest number in a configuration: infinity fits into no clock and no integer."""
Positive = Annotated[float, msgspec.Meta(gt=0, le=_MOST)]
NotNegative = Annotated[float, msgspec.Meta(ge=0, le=_MOST)]
Count = Annotated[int, msgspec.Meta(ge=1, le=int(_MOST))]
Rate = Annotated[float, msgspec.Meta(ge=1, le=_MOST)]


class DatabaseSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How long the database is waited for, in seconds, and what holds while it does not answer.

    Attributes:
        database_connect_timeout, database_statement_timeout, database_lock_timeout: how long it may take to
            connect, for a statement, and for a lock.
        database_grace_seconds: how long a key that was seen goes on while the database does not answer.
        usage_rows_in_memory: how many rows of usage (about 1 KB each) wait for it in memory; the others wait in a file.
    """

    database_connect_timeout: Rate = 3.0
    database_statement_timeout: Positive = 5.0
    database_lock_timeout: Positive = 2.0
    database_grace_seconds: NotNegative = 300.0
    usage_rows_in_memory: Count = 10_000


class AccountSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where keys and usage are kept.

    Attributes:
        usage_folder: where rows of usage wait that the database does not take.
        files_dir: where uploaded files and the results of batches lie.
    """

    database: DatabaseURL
    usage_folder: Path
    files_dir: Path
    waits: DatabaseSettings = DatabaseSettings()
