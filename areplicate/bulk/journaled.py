"""Asks requests with a journal: none that has an answer is asked again, and no prediction under way is paid
twice."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import anyio
import msgspec

from .. import errors
from ..chat.embeddings import EmbeddingResponse
from ..chat.responses import ModelResponse
from ..clock import now
from ..errors import (
    APIConnectionError,
    APIError,
    AuthenticationError,
    InsufficientCreditError,
    InternalServerError,
    PredictionFailedError,
    RateLimitError,
)
from ..logs import logger
from ..replicate.creation import INTENTS
from ..replicate.retry import waits, wanted_wait
from .intents import RowIntents
from .journal import Journal, UnwritableJournal
from .journal_file import DamagedJournal, read_as_a_journal
from .requests import AskOne, JobEnded, is_embedding

EVERY_ROWS = (AuthenticationError, InsufficientCreditError, UnwritableJournal, DamagedJournal)
"""Errors that every row would have. The job ends with them, and no row has failed."""

_LONGEST_OUTAGE = 3600.0
"""Seconds without a single answer after which a job no longer waits for the network or the service."""

_KEPT = ("message", "status_code", "model", "prediction_id", "param")
"""What a journal keeps of an error, beside its class."""

_decode_embeddings: Any = msgspec.json.Decoder(EmbeddingResponse).decode
_decode = msgspec.json.Decoder(ModelResponse).decode


def is_the_rows_own(error: APIError) -> bool:
    """Whether an error says something about the row; else it may be asked again."""
    if isinstance(error, InternalServerError):
        return error.prediction_id is not None
    return not isinstance(error, (APIConnectionError, RateLimitError))


class JournaledAsk(msgspec.Struct):
    """An `ask` whose answers and errors are kept in a journal."""

    _ask: AskOne
    """What asks a row, and may be cancelled."""
    _journal: Journal
    _retry_failed: bool
    """Ask again for the rows that failed in an earlier run."""
    _answered_at: float = msgspec.field(default_factory=now)

    async def __call__(self, number: int, request: Mapping[str, Any]) -> ModelResponse:
        """The row's answer: the journal's, else a new one.

        Raises:
            APIError: the row's error, also an earlier run's.
            JobEnded: this row and all others cannot be asked.
        """
        try:
            question = self._journal.question(number, request)
            if (known := self._known(number, request)) is not None:
                return known
            return await self._new_answer(number, question, request)
        except (UnwritableJournal, DamagedJournal) as error:
            raise JobEnded(error) from error

    def _known(self, number: int, request: Mapping[str, Any]) -> ModelResponse | None:
        """The row's answer in the journal; raises its error if that is there."""
        known = self._journal.entry(number)
        if known is None or not known.ended:
            return None
        with read_as_a_journal(self._journal.path):
            if known.response is not None:
                decode = _decode_embeddings if is_embedding(request) else _decode
                answer: ModelResponse = decode(known.response)
                return answer
            if known.error is not None and not self._retry_failed:
                raise error_of(msgspec.json.decode(known.error))
        return None

    async def _new_answer(self, number: int, question: bytes, request: Mapping[str, Any]) -> ModelResponse:
        """The row's answer or error, once it is in the journal."""
        journal = self._journal
        try:
            response = await self._until_answered(number, question, request)
        except APIError as error:
            await journal.end(number, question, error=_plain(error))
            raise
        await journal.end(number, question, response=msgspec.json.encode(response))
        return response

    async def _until_answered(
        self, number: int, question: bytes, request: Mapping[str, Any]
    ) -> ModelResponse:
        """Asks until there is an answer or an error of the row's own."""
        pauses = waits()
        while True:
            journal = self._journal
            ask, forget = partial(journal.ask, number, question), partial(journal.forget, number)
            INTENTS.set(RowIntents(journal.asked(number), ask, forget))
            try:
                response: ModelResponse = await self._ask(number, request)
            except EVERY_ROWS as error:
                raise JobEnded(error) from error
            except APIError as error:
                if is_the_rows_own(error):
                    raise
                if now() - self._answered_at > _LONGEST_OUTAGE:
                    raise JobEnded(error) from error
                pause = max(next(pauses), wanted_wait(error) or 0.0)
                logger.warning("Request %d is asked again in %.0f s: %s", number, pause, error)
                await anyio.sleep(pause)
            else:
                self._answered_at = now()
                return response


def _plain(error: APIError) -> bytes:
    fields = {name: getattr(error, name) for name in _KEPT}
    if isinstance(error, PredictionFailedError) and error.text:  # it is paid, and may be of use
        fields["text"] = error.text
    return msgspec.json.encode({"code": type(error).__name__, **fields})


def error_of(plain: Mapping[str, Any]) -> APIError:
    """The error that a journal has kept."""
    fields = dict(plain)
    kind: type[APIError] = getattr(errors, fields.pop("code"), APIError)
    text = fields.pop("text", "")
    error = kind(fields.pop("message"), **fields)
    if isinstance(error, PredictionFailedError):
        error.text = text
    return error
