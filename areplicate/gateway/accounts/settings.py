"""What the configuration says about accounts."""

from __future__ import annotations

from pathlib import Path

import msgspec

from .database_url import DatabaseURL
from .usage import KEPT_IN_MEMORY

GRACE_SECONDS = 300.0


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """How long a database may take, in seconds: to connect, for a statement, and for a lock."""

    connect: float = 3.0
    statement: float = 5.0
    lock: float = 2.0


class AccountSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where keys and usage are kept, and what holds while that cannot be reached.

    Attributes:
        grace_seconds: how long a key that was seen goes on while the database does not answer.
        usage_folder: where rows wait that the database does not take, once there are more than
            `usage_rows_in_memory`.
        files_dir: where uploaded files and the results of batches lie.
    """

    database: DatabaseURL
    usage_folder: Path
    files_dir: Path
    patience: Patience = Patience()
    grace_seconds: float = GRACE_SECONDS
    usage_rows_in_memory: int = KEPT_IN_MEMORY
