"""Rows of files and batches: the tables and their columns are made from these."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

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
LEASE = 15.0
"""Seconds for which a batch belongs to a process that does not renew its lease."""

UNFINISHED: tuple[BatchStatus, ...] = ("validating", "in_progress", "finalizing", "cancelling")


class FileRow(msgspec.Struct, frozen=True, kw_only=True):
    """A file. Times are in seconds since 1970.

    Attributes:
        key_id: whose it is; None is the master key's, or anybody's where there is none.
        bytes: its length.
    """

    id: str
    key_id: str | None
    created_at: float
    bytes: int
    filename: str
    purpose: str


class BatchRow(msgspec.Struct, frozen=True, kw_only=True):
    """A batch. The names are OpenAI's; times are in seconds since 1970, by the database's clock.

    Attributes:
        total, completed, failed: requests.
        expected: dollars that all of it is expected to cost.
        leased_by: the process that works on it, until `leased_until`.
    """

    id: str
    key_id: str | None
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
    total: int = 0
    completed: int = 0
    failed: int = 0
    errors: list[dict[str, Any]] | None = None
    metadata: dict[str, str] | None = None
    expected: float = 0.0
    leased_by: str | None = None
    leased_until: float | None = None
