"""A prediction, as Replicate's HTTP API gives it."""

from __future__ import annotations

from typing import Any

import msgspec

TERMINAL = frozenset({"succeeded", "failed", "canceled", "aborted"})
"""The statuses after which a prediction does not change. Any other, known or not, means wait."""


class URLs(msgspec.Struct, frozen=True):
    """Where a prediction is looked at, and streamed."""

    get: str | None = None
    stream: str | None = None


class Prediction(msgspec.Struct, frozen=True):
    """One run of a model.

    Decoded leniently: except `id` and `status`, every field may be absent or null, and new ones
    appear without notice; what is not read here is left out.
    Source: `schemas.Prediction` in Replicate's OpenAPI document.
    """

    id: str
    status: str
    output: Any = None
    error: Any = None
    metrics: dict[str, Any] | None = None
    urls: URLs | None = None
    model: str | None = None
    version: str | None = None
    deployment: str | None = None
    created_at: str | None = None
    data_removed: bool | None = None

    @property
    def terminal(self) -> bool:
        return self.status in TERMINAL


class ListedPrediction(Prediction, frozen=True):
    """The same in the account's list, with what tells whose it may be: the `input`, as JSON, and the `deadline`.

    It keeps the text of its whole page in memory.
    """

    input: msgspec.Raw = msgspec.Raw(b"null")
    deadline: str | None = None


class PredictionPage(msgspec.Struct, frozen=True):
    """One page of `GET /predictions`, newest first; `next` is the whole URL of the page after it."""

    results: list[ListedPrediction]
    next: str | None = None


decode_prediction = msgspec.json.Decoder(Prediction).decode
decode_page = msgspec.json.Decoder(PredictionPage).decode
