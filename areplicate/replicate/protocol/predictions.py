"""A prediction, as Replicate's HTTP API gives it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Annotated, Any

import msgspec

from .decoding import BROKEN, lenient
from .requests import is_http

TERMINAL = frozenset({"succeeded", "failed", "canceled", "aborted"})
"""The statuses after which a prediction does not change."""
_RUNNING = frozenset({"starting", "processing"})
CANCELLED = frozenset({"canceled", "aborted"})
"""The statuses of a prediction that somebody or its deadline has ended: while it ran, and before it began to."""


PredictionID = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]+\Z")]
"""An id is put into the paths of requests, so that it must not lead to another path."""


class URLs(msgspec.Struct, frozen=True):
    """Where a prediction is streamed."""

    stream: str | None = None


Measure = Annotated[float, msgspec.Meta(ge=0, le=1e9)]
"""Tokens or seconds of one prediction; the limit is far beyond any."""


class PredictionMetrics(msgspec.Struct, frozen=True):
    """What a run was measured to take. A number that cannot be is left out: a model may report whatever it likes."""

    input_token_count: Measure | None = None
    output_token_count: Measure | None = None
    predict_time: Measure | None = None
    total_time: Measure | None = None


class Prediction(msgspec.Struct, frozen=True):
    """One run of a model.

    Decoded leniently: except `id` and `status`, every field may be absent, null or of another type, and
    new ones appear without notice; what is not read here is left out.
    Source: `schemas.Prediction` in Replicate's OpenAPI document.
    """

    id: PredictionID
    status: str
    output: Any = None
    error: Any = None
    metrics: PredictionMetrics | None = None
    urls: URLs | None = None
    model: str | None = None
    version: str | None = None
    deployment: str | None = None
    created_at: datetime | None = None
    deadline: datetime | None = None
    data_removed: bool | None = None
    completed_at: Any = None

    @property
    def terminal(self) -> bool:
        """Whether it has ended: a status that is not known today may mean that, too."""
        return self.status in TERMINAL or (self.completed_at is not None and self.status not in _RUNNING)

    @property
    def stream_url(self) -> str | None:
        """Where its text can be read as it is written; None if it tells no URL."""
        url = self.urls.stream if self.urls is not None else None
        return url if url is not None and is_http(url) else None


class ListedPrediction(Prediction, frozen=True):
    """The same in the account's list, with what tells whose it may be: the `input`, as JSON.

    It keeps the text of its whole page in memory.
    """

    input: msgspec.Raw = msgspec.Raw(b"null")

    @property
    def complete(self) -> bool:
        """Whether it tells how it ended. A list may leave that out; then a look at the prediction tells."""
        endings = {"succeeded": self.output, "failed": self.error}
        return self.terminal and endings.get(self.status, "") is not None


class PredictionPage(msgspec.Struct, frozen=True):
    """One page of `GET /predictions`, newest first; `next` is the whole URL of the page after it."""

    results: list[ListedPrediction]
    next: str | None = None


class _UnreadPage(msgspec.Struct, frozen=True):
    results: list[msgspec.Raw]
    next: Any = None


def decode_page(body: bytes) -> PredictionPage:
    """A page. A row that is not a prediction is skipped, so that it hides no other."""
    try:
        return _decode_page(body)
    except msgspec.ValidationError:
        page = _decode_unread_page(body)
        return PredictionPage(list(_rows(page)), page.next if isinstance(page.next, str) else None)


def _rows(page: _UnreadPage) -> Iterator[ListedPrediction]:
    for row in page.results:
        try:
            yield _decode_row(row)
        except BROKEN:
            continue


decode_prediction = msgspec.json.Decoder(Prediction).decode
"""The strict decoder, which is the fastest: for answers that are as they should be."""
decode_any_prediction = lenient(Prediction)


def decoder_of(prediction_id: str) -> Callable[[bytes], Prediction]:
    """Decodes answers about one prediction; ValueError for an answer about another, which a proxy has mixed up."""

    def decode(body: bytes) -> Prediction:
        prediction = decode_any_prediction(body)
        if prediction.id != prediction_id:
            raise ValueError(f"it is about prediction {prediction.id}")
        return prediction

    return decode


_decode_row = lenient(ListedPrediction)
_decode_page = msgspec.json.Decoder(PredictionPage).decode
_decode_unread_page = msgspec.json.Decoder(_UnreadPage).decode
