"""Making a call: its predictions are created and waited for or streamed, and left to `Live` however it ends."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import anyio
import msgspec

from ..chat.answers import Question, model_response
from ..chat.chunks import ChunkMaker
from ..chat.outputs import output_text
from ..chat.responses import ModelResponse
from ..errors import APIError, NotFoundError
from ..logs import verbose
from ..replicate.client import Client
from ..replicate.creation import NewPrediction
from ..replicate.endpoints import Endpoint
from ..replicate.event_stream import EventStream
from ..replicate.limits import Slots
from ..replicate.live import Live, LivePrediction
from ..replicate.progress import RAISED, OnStatus, Progress
from ..replicate.protocol.platform_failures import MOST_RETRIES, worth_asking_again
from ..replicate.protocol.predictions import TERMINAL, Prediction
from ..replicate.protocol.requests import LONGEST_HOLD
from ..replicate.retry import RetryPolicy
from ..replicate.streaming import PredictionStream
from ..schema_lookup.endpoint import suggestion
from .streams import AnswerChunks, CompletionStream, Source

T = TypeVar("T")

_WATCHED_HOLD = 2.0
"""Seconds for which a creation is held open if the caller watches the phases, which do not show meanwhile."""


class Call(msgspec.Struct, frozen=True):
    """One completion that is ready to be sent. `timeout` (seconds) is for all of it, from `begun` to
    `policy.deadline`."""

    account: Client
    endpoint: Endpoint
    question: Question
    input: dict[str, Any]
    timeout: float
    begun: float
    policy: RetryPolicy
    headers: Mapping[str, str]
    on_status: OnStatus | None
    slots: Slots
    live: Live
    count: int
    stream: bool
    include_usage: bool


Answering = Callable[[], Awaitable[ModelResponse | CompletionStream]]
"""Something above a single call that gives an answer of its own, such as `reasking.ContractCall.answer`."""


async def answer(call: Call | Answering) -> ModelResponse | CompletionStream:
    """What the caller asked for: `count` answers, whole or streamed."""
    if not isinstance(call, Call):
        return await call()
    if call.stream:
        return await open_stream(call)
    if call.count == 1:
        return model_response(call.question, [await predict(call)])
    return model_response(call.question, await at_once([partial(predict, call)] * call.count))


async def predict(call: Call) -> list[Prediction]:
    """The predictions that one answer took. The last has succeeded; those before it failed on Replicate's side.

    Raises:
        APIError: none has succeeded.
    """
    progress = _progress(call)
    runs: list[Prediction] = []
    attempt: LivePrediction | None = None
    try:
        with call.live.scope(call.policy.deadline) as scope:
            while True:
                with await _create(call, progress, hold=True, earlier=attempt) as attempt:
                    prediction = attempt.prediction
                    if prediction is None or progress.watched or prediction.status not in TERMINAL:
                        prediction = await call.account.wait(attempt, progress, call.policy)
                runs.append(prediction)
                if prediction.status == "succeeded" or not _runs_again(call, attempt, len(runs)):
                    break
        if scope.cancelled_caught or not runs:
            raise _ended(call, progress)
        if (runs[-1].status != "succeeded" or runs[-1].output is None) and (
            failure := call.account.http.error_of(runs[-1])
        ):
            raise failure
        return runs
    except APIError as error:
        _about(call, error, attempt.prediction if attempt else None)
        raise


async def at_once(works: Sequence[Callable[[], Awaitable[T]]]) -> list[T]:
    """The results of all works, done at the same time; if one fails, the others are cancelled."""
    results: dict[int, T] = {}
    failures: list[BaseException] = []

    async def one(index: int) -> None:
        try:
            results[index] = await works[index]()
        except RAISED as error:
            failures.append(error)
            group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        for index in range(len(works)):
            group.start_soon(one, index)
    if failures:
        raise failures[0]
    return [results[index] for index in range(len(works))]


async def open_stream(call: Call) -> CompletionStream:
    """The chunks of as many predictions of the same input as are asked for."""
    progress = _progress(call)
    sources: list[Source] = []
    try:
        with call.live.scope(call.policy.deadline) as scope:
            for _ in range(call.count):
                sources.append(await _open(call, progress))
        if scope.cancelled_caught:
            raise _ended(call, progress)
    except BaseException as error:
        for source in sources:
            source.attempt.leave()
        if isinstance(error, APIError):
            _about(call, error, None)
        raise

    return CompletionStream(
        AnswerChunks(
            question=call.question,
            sources=sources,
            make=ChunkMaker(sources[0].stream.prediction.id, int(time.time()), call.question.model),
            error_of=call.account.http.error_of,
            again=partial(_open_again, call, progress),
            include_usage=call.include_usage,
        )
    )


async def _open(call: Call, progress: Progress, earlier: LivePrediction | None = None) -> Source:
    """One more prediction, and its text as it is written."""
    attempt = await _create(call, progress, hold=False, earlier=earlier)
    prediction = attempt.prediction
    assert prediction is not None
    try:
        progress.saw(prediction)
        if call.question.schema is not None and call.question.schema.output == "object":
            # Its events would be JSON with the text in it: the text is given when all of it is there.
            prediction = attempt.saw(msgspec.structs.replace(prediction, urls=None))
        url = prediction.stream_url
        stream = PredictionStream(
            events=EventStream(call.account.http, url, call.slots),
            poller=call.account.poller,
            prediction=prediction,
            progress=progress,
            streams=url is not None,
            live=call.live,
            policy=call.policy,
            text_of=output_text,
        )
    except BaseException:
        attempt.leave()
        raise
    return Source(attempt, stream)


async def _open_again(call: Call, progress: Progress, earlier: LivePrediction, tries: int) -> Source | None:
    """Another prediction in the place of one that has ended after so many tries, if that is worth it."""
    if not _runs_again(call, earlier, tries):
        return None
    return await call.live.wait_for(
        partial(_open, call, progress, earlier), call.policy.deadline, _late(call, progress)
    )


def _create(
    call: Call, progress: Progress, *, hold: bool, earlier: LivePrediction | None
) -> Awaitable[LivePrediction]:
    """A new prediction; with `hold`, the request that creates it may wait for its answer."""
    if progress.watched:
        progress.sending()
    seconds = min(_WATCHED_HOLD if progress.watched else LONGEST_HOLD, call.timeout) if hold else 0.0
    new = NewPrediction(call.endpoint, call.input, call.headers, call.timeout, seconds, call.policy)
    return call.account.create(new, earlier)


def _progress(call: Call) -> Progress:
    watched = call.on_status is not None or verbose()
    return Progress(call.question.model, call.begun, call.on_status, watched)


def _runs_again(call: Call, ended: LivePrediction, tries: int) -> bool:
    """Whether a prediction that failed on Replicate's side, or perhaps was another's, is asked for again after so
    many tries."""
    if ended.cancelled_elsewhere:
        return True
    prediction, most = ended.prediction, min(MOST_RETRIES, call.policy.retries)
    return prediction is not None and tries <= most and worth_asking_again(prediction, call.input)


def _about(call: Call, error: APIError, prediction: Prediction | None) -> None:
    """Says in an error what it is about, and which models were perhaps meant if there is no such model."""
    error.about(call.question.model, prediction.id if prediction else None)
    if isinstance(error, NotFoundError) and prediction is None:
        error.message += suggestion(call.question.model)


def _ended(call: Call, progress: Progress) -> APIError:
    """Why the call's scope was cancelled."""
    return call.live.why_ended(_late(call, progress))


def _late(call: Call, progress: Progress) -> str:
    return f"No answer within {call.timeout:g} s: the prediction was {progress.phase} and is cancelled."
