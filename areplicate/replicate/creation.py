"""Creating a prediction exactly once, whatever happens to the connection.

A prediction costs money, and a POST that was not answered may have created one. Only a clear 4xx, or a request that
never left this machine, proves that nothing was created (`nothing_created`). So creating is a loop, and each turn of
it has one of three outcomes:

- A prediction was made: done.
- Nothing was made: it is asked for again, if the caller's retries allow that.
- One may exist: it is looked for in the account's list by its mark (`marks`) for several seconds. If it is found, it
  is taken over. If the list shows later predictions and not this one, nothing was made. If neither is certain, it is
  asked for once more, but never while two attempts may each have made one. If the list cannot be read, the error
  is raised.

Attempts that the caller does not get are left, and `live` cancels what they may have made.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Collection, Mapping
from contextvars import ContextVar
from functools import partial
from typing import Any, Protocol

import msgspec

from ..clock import now
from ..errors import APIConnectionError, APIError, BadRequestError, NotFoundError
from .cancelling import cancel
from .endpoints import Endpoint
from .http import SILENCE, Http
from .limits import Slots
from .live import Live, LivePrediction
from .marks import Finder, Outcome, echoes
from .prediction_list import mark_of
from .protocol.decoding import BROKEN, decoded
from .protocol.predictions import CANCELLED, Prediction, decode_any_prediction, decode_prediction
from .protocol.requests import CANCEL_AFTER, PREFER, Request, Response, prefer_wait
from .retry import Retries, RetryPolicy
from .server_clock import ONCE_IN, ServerClock
from .transports.base import never_sent
from .versions import LatestVersions

_UNCLEAR = frozenset({408, 499})
"""The 4xx that a proxy may answer because it waited too long, while the server is still at work."""


def nothing_created(status: int) -> bool:
    """Whether an answer proves that a POST has created no prediction.

    A 5xx does not: an edge or a proxy that gives up on a held request answers so after it was created.
    """
    return 400 <= status < 500 and status not in _UNCLEAR


class Intent(Protocol):
    """A note of a creation that outlives this process, so that the next process does not pay for it again."""

    @property
    def earlier(self) -> tuple[int, float] | None:
        """The mark of an earlier process's creation, and when it was sent (seconds since 1970)."""

    def asking(self, mark: int, /) -> Awaitable[None]:
        """Notes that a creation with this mark is about to be sent; returns once that is safe."""

    def not_made(self, mark: int, /) -> None:
        """It is certain that nothing was created with this mark: nobody needs to look for it."""


class Intents(Protocol):
    """The intents of all predictions that one request takes, such as those of `bulk/intents.py`.

    Attributes:
        entry: which of several models under one name is being asked, by a name that it has in each process; None
            where there is one model only.
    """

    entry: str | None

    def earlier(self) -> Collection[str]:
        """Whom an earlier process asked without seeing the end: entries, or targets."""

    def __call__(self, target: str, /) -> Intent:
        """The intent of the next prediction, which is asked of the entry, or of this target."""


INTENTS: ContextVar[Intents | None] = ContextVar("areplicate_intents", default=None)
"""Of the request in whose context it is, if its caller keeps intents."""

_CLOCKS_APART = 600.0
"""Seconds by which this machine's clock may be behind the server's, as long as nothing better is known."""

_ON_ITS_WAY = 120.0
"""Seconds that an earlier process's creation may have taken from its note to the server."""

_SET_BACK = 120.0
"""Seconds by which this machine's clock may have been set back since then, as after a power cut."""


class NewPrediction(msgspec.Struct, frozen=True):
    """What a caller wants to have created.

    Attributes:
        headers: sent beside the account's own, and looked up without regard to case; a `Cancel-After`
            among them holds instead of the mark.
        timeout: seconds after which, or some more, the server cancels the prediction by itself.
        hold: for how many seconds the server may hold the request open to answer with the result;
            if the pool has no room for that, it answers at once.
    """

    endpoint: Endpoint
    input: dict[str, Any]
    headers: Mapping[str, str]
    timeout: float
    hold: float
    policy: RetryPolicy


class Creator:
    """Creates predictions on one account, finds those whose creation was not answered, and cancels them.

    Args:
        held: the connections that may wait for their answer.
    """

    def __init__(
        self,
        http: Http,
        live: Live,
        finder: Finder,
        clock: ServerClock,
        held: Slots,
        versions: LatestVersions,
    ) -> None:
        self._versions = versions
        self._http = http
        self._live = live
        self._clock = clock
        self._held = held
        self._finder = finder
        self.base = http.base
        self.find = finder.find
        self.confirm = finder.confirm
        self.cancel = partial(cancel, http)

    async def create(self, new: NewPrediction, earlier: LivePrediction | None = None) -> LivePrediction:
        """A prediction that is this caller's alone, until they leave it.

        A community model, which cannot be called by its name alone, is called by its latest version.

        Args:
            earlier: what this caller had before; if perhaps it was another's, their own is looked for first.
        """
        versions, model = self._versions, new.endpoint
        intents = INTENTS.get()
        intent = None if intents is None else intents("/".join((model.path, *model.beside.values())))
        if versions.changes and (known := versions.known(model)) is not None:
            new = msgspec.structs.replace(new, endpoint=known)
        try:
            return await self._create(new, intent, earlier, look=earlier is not None or intent is not None)
        except (NotFoundError, BadRequestError) as refused:
            version = await versions.after(refused, model, new.endpoint, new.policy)
        return await self._create(msgspec.structs.replace(new, endpoint=version), intent)

    async def _create(
        self,
        new: NewPrediction,
        intent: Intent | None,
        earlier: LivePrediction | None = None,
        *,
        look: bool = False,
    ) -> LivePrediction:
        """Asks until there is a prediction; with `look`, first for what may have been made before."""
        endpoint, input, policy = new.endpoint, new.input, new.policy
        body = msgspec.json.encode({**endpoint.beside, "input": input})
        key = hash((endpoint, body))
        retries: Retries | None = None
        attempts: list[LivePrediction] = []
        made: LivePrediction | None = None
        try:
            if look:
                made = await self._made_before(new, key, earlier, intent, attempts)
                if made is not None:
                    return made
            while True:
                sent = await self._http.creations.acquire(policy.deadline)
                mark = None if CANCEL_AFTER in new.headers else self._live.draw_mark(key, new.timeout)
                attempt = LivePrediction(self._live, self, endpoint, input, key, mark, sent)
                self._live.enter(attempt)
                attempts.append(attempt)
                if intent is not None and attempt.mark is not None:
                    await intent.asking(attempt.mark)
                outcome, error = await self._ask(attempt, new, body)
                if error is None:
                    made = attempt
                    return made
                if outcome is Outcome.UNKNOWN:
                    outcome = await self.find(*attempts)
                if outcome is Outcome.MADE:
                    made = (
                        attempt if attempt.prediction else next(each for each in attempts if each.prediction)
                    )
                    return made
                if outcome is Outcome.UNREADABLE or sum(attempt.may_exist for attempt in attempts) > 1:
                    raise error
                retries = retries or self._http.retries(policy, sent)
                await retries.after(error)
        finally:
            if intent is not None and made is None:
                _note_what_was_not_made(intent, attempts)
            for attempt in attempts:
                if attempt is not made:
                    attempt.leave()

    async def _made_before(
        self,
        new: NewPrediction,
        key: int,
        earlier: LivePrediction | None,
        intent: Intent | None,
        attempts: list[LivePrediction],
    ) -> LivePrediction | None:
        """What this caller, or an earlier process, has asked for before, if it is there; it is one of the `attempts`.

        Raises:
            APIConnectionError: the list cannot be read, so that it cannot be known.
            PredictionCanceledError: it is there, it is certainly this caller's, and it is cancelled.
        """
        if earlier is not None and earlier.cancelled_elsewhere:
            attempt = self._attempt_of_caller(new.input, earlier)
        elif intent is not None and intent.earlier is not None:
            attempt = self._attempt_of_earlier_process(new.endpoint, new.input, key, *intent.earlier)
        else:
            return None
        attempts.append(attempt)
        if await self._found_again(attempt):
            return attempt
        if earlier is not None and earlier.cancelled_elsewhere and earlier.certain:
            assert earlier.prediction is not None, "and it was their own"
            raise self._http.error_of(earlier.prediction) or AssertionError("it was cancelled")
        return None

    def _attempt_of_caller(self, input: dict[str, Any], earlier: LivePrediction) -> LivePrediction:
        """What this caller asked for before they had another's."""
        attempt = LivePrediction(
            self._live,
            self,
            earlier.endpoint,
            input,
            earlier.key,
            earlier.mark,
            earlier.sent,
            answered=earlier.answered,
            may_exist=True,
        )
        self._live.enter(attempt)
        return attempt

    def _attempt_of_earlier_process(
        self, endpoint: Endpoint, input: dict[str, Any], key: int, mark: int, at: float
    ) -> LivePrediction:
        """What an earlier process asked for; `at` is by this machine's clock."""
        ahead = time.time() - now()
        self._clock.assume(ahead + _CLOCKS_APART)
        noted = at - ahead
        sent, answered = noted - _SET_BACK, noted + _ON_ITS_WAY
        attempt = LivePrediction(
            self._live, self, endpoint, input, key, mark, sent, answered=answered, may_exist=True
        )
        self._live.enter(attempt)
        return attempt

    async def _found_again(self, attempt: LivePrediction) -> bool:
        """Whether there is what was asked for earlier, and nobody has cancelled it since.

        Raises:
            APIConnectionError: the list cannot be read, so that it cannot be known.
        """
        outcome = await self.find(attempt)
        if outcome is Outcome.UNREADABLE:
            raise APIConnectionError(
                "The account's list of predictions cannot be read, so it is not known what was asked for earlier."
            )
        return attempt.prediction is not None and attempt.prediction.status not in CANCELLED

    async def _ask(
        self, attempt: LivePrediction, new: NewPrediction, body: bytes
    ) -> tuple[Outcome, APIError | None]:
        """Sends one creation, and says what has come of it; an error unless that is a prediction in hand.

        It goes on one of the connections that may be held, if one is free.
        """
        http = self._http
        given = http.credentials.headers.copy()
        given.update(new.headers)
        if attempt.mark is not None:
            given[CANCEL_AFTER] = f"{attempt.mark}s"
        held = new.hold > 0 and self._held.take()
        if held:
            given[PREFER] = prefer_wait(new.hold)
        request = Request("POST", http.base + attempt.endpoint.path, given, body)
        attempt.may_exist = True
        try:
            if held:
                response = await http.send(request, http.creations, new.hold + SILENCE)
            else:
                response = await http.send_short(request, http.creations)
        except BadRequestError:
            attempt.may_exist = False
            raise
        except APIConnectionError as error:
            attempt.answered = now()
            attempt.may_exist = error.request_sent
            return (Outcome.UNKNOWN if error.request_sent else Outcome.NOTHING), error
        except BaseException as left:
            attempt.may_exist = not never_sent(left)
            raise
        finally:
            if held:
                self._held.give_back()
        return await self._outcome_of(response, request, attempt)

    async def _outcome_of(
        self, response: Response, request: Request, attempt: LivePrediction
    ) -> tuple[Outcome, APIError | None]:
        """What the answer to a creation says has come of it, as `_ask` gives it."""
        attempt.answered = response.ended
        if response.status >= 300:
            attempt.may_exist = not nothing_created(response.status)
            outcome = Outcome.UNKNOWN if attempt.may_exist else Outcome.NOTHING
            return outcome, self._http.error(response, request)
        try:
            prediction = _decoded(response.body)
        except ValueError as garbled:
            return _unknown(request, f"The answer is not a prediction: {garbled}.")
        if not _has_mark(prediction, attempt.mark) and await self._is_anothers(prediction, response, attempt):
            if attempt.prediction is not None:
                return Outcome.MADE, None
            return _unknown(request, "The answer is about another caller's prediction.")
        if attempt.answered - self._clock.answered_at >= ONCE_IN:
            self._clock.answered(prediction.created_at, attempt.sent, attempt.answered)
            self._finder.marks_are_shown |= _has_mark(prediction, attempt.mark)
        if not attempt.take(prediction):
            return _unknown(request, "Another caller took over the prediction.")
        return Outcome.MADE, None

    async def _is_anothers(self, prediction: Prediction, answer: Response, attempt: LivePrediction) -> bool:
        """Whether something between has mixed up two answers: this one has another mark than was sent, and another
        input, or the right prediction is found."""
        mark = mark_of(prediction)
        if mark is None or mark == attempt.mark:
            return False
        input = decoded(msgspec.json.decode, answer.body).get("input")
        if input is not None and not echoes(input, attempt.input):
            return True
        finder = self._finder
        if attempt.mark is not None and finder.marks_are_shown:
            finder.marks_are_shown = await finder.find(attempt) is Outcome.MADE
        return attempt.prediction is not None


def _note_what_was_not_made(intent: Intent, attempts: list[LivePrediction]) -> None:
    mark = attempts[-1].mark if attempts else None
    if mark is not None and not any(attempt.may_exist or attempt.prediction for attempt in attempts):
        intent.not_made(mark)


def _unknown(request: Request, why: str) -> tuple[Outcome, APIError]:
    return Outcome.UNKNOWN, APIConnectionError(why, method=request.method, url=request.url)


def _has_mark(prediction: Prediction, mark: int | None) -> bool:
    """`mark_of(prediction) == mark` in the shortest way, as nearly every answer has its mark; where that does not
    tell, False."""
    created, deadline = prediction.created_at, prediction.deadline
    if mark is None or created is None or deadline is None or created.tzinfo is not deadline.tzinfo:
        return False
    return (deadline - created).total_seconds() == mark


def _decoded(body: bytes) -> Prediction:
    try:
        return decode_prediction(body)
    except BROKEN:
        return decoded(decode_any_prediction, body)
