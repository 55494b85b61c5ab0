"""The rows of the database's tables as structs, whose fields are the columns."""

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
"""Seconds after which a batch no longer belongs to a process that has not renewed its lease."""

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
