"""A row of usage: the table, its columns and its JSON are made from this one list."""

from __future__ import annotations

import msgspec


class UsageRow(msgspec.Struct, frozen=True, kw_only=True):
    """One request. Times are in seconds, `at` since 1970; money is in US dollars.

    Attributes:
        model: the name that the client asked for; `answered_by`: the name that answered, where that is
            another one; `upstream_model`: what that is at Replicate.
        prediction_id: the first of its `predictions`.
        seconds: from the request to the end of its answer.
        queue_s, boot_s, run_s: its predictions' time, added up.
        cost: null where the model has no price here.
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
