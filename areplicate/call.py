"""One call on its way: a prediction is created, watched or streamed, and never left running."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Protocol

import anyio
import msgspec

from .chat.answers import Question, model_response
from .chat.outputs import output_text
from .chat.responses import ModelResponse
from .errors import APIError, NotFoundError
from .in_flight import InFlight
from .replicate.client import Client
from .replicate.endpoints import Endpoint, ModelEndpoint
from .replicate.limits import Slots
from .replicate.progress import OnStatus, Progress
from .replicate.protocol.predictions import Prediction
from .replicate.retry import RetryPolicy
from .replicate.streaming import PredictionStream
from .streams import CompletionStream, begin_stream

_LONGEST_HOLD = 60.0
"""Seconds for which Replicate holds a creation open at the most."""
_WATCHED_HOLD = 2.0
"""The same where somebody watches the phases, which nothing tells while a creation is held open."""


class Call(msgspec.Struct, frozen=True):
    """One completion that is ready to be sent. `timeout` (seconds) is for the whole, until `deadline`."""

    account: Client
    endpoint: Endpoint
    question: Question
    input: dict[str, Any]
    timeout: float
    policy: RetryPolicy
    headers: Mapping[str, str]
    on_status: OnStatus | None
    slots: Slots
    in_flight: InFlight
    count: int
    stream: bool
    include_usage: bool


class Answering(Protocol):
    """What stands above single calls and gives an answer of its own, such as `reasking.BoundCall`."""

    async def answer(self) -> ModelResponse | CompletionStream: ...


async def answer(call: Call | Answering) -> ModelResponse | CompletionStream:
    """What the caller asked for: `count` answers, whole or streamed."""
    if not isinstance(call, Call):
        return await call.answer()
    if call.stream:
        return await open_stream(call)
    if call.count == 1:
        return model_response(call.question, [await predict(call)])
    return model_response(call.question, await predict_many(call))


async def predict(call: Call) -> Prediction:
    """A prediction that has succeeded; one that has not is an error."""
    progress = Progress(call.question.model, call.on_status)
    scope = call.in_flight.begin(call.policy.deadline)
    prediction: Prediction | None = None
    try:
        with scope:
            prediction = await _create(call, progress, hold=True)
            if not prediction.terminal:
                prediction = await _wait(call, prediction, progress)
            elif progress.watched:
                progress.saw(prediction)
        if scope.cancelled_caught or prediction is None:
            raise _ended(call, progress)
        if failure := call.account.http.error_of(prediction):
            raise failure
        return prediction
    except APIError as error:
        error.about(call.question.model, prediction.id if prediction else None)
        raise
    finally:
        call.in_flight.end(scope)


async def predict_many(call: Call) -> list[Prediction]:
    """As many predictions of the same input as are asked for; where one fails, the others are cancelled."""
    predictions: dict[int, Prediction] = {}
    failures: list[APIError] = []

    async def one(index: int) -> None:
        try:
            predictions[index] = await predict(call)
        except APIError as error:
            failures.append(error)
            group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        for index in range(call.count):
            group.start_soon(one, index)
    if failures:
        raise failures[0]
    return [predictions[index] for index in range(call.count)]


async def open_stream(call: Call) -> CompletionStream:
    """The chunks of as many predictions of the same input as are asked for."""
    progress = Progress(call.question.model, call.on_status)
    account = call.account
    scope = call.in_flight.begin(call.policy.deadline)
    predictions: list[Prediction] = []
    streams: list[PredictionStream] = []
    try:
        with scope:
            for _ in range(call.count):
                predictions.append(await _create(call, progress, hold=False))
                progress.saw(predictions[-1])
        if scope.cancelled_caught:
            raise _ended(call, progress)
        for prediction in predictions:
            streams.append(
                PredictionStream(
                    account.http,
                    account.poller,
                    prediction,
                    progress,
                    policy=call.policy,
                    slots=call.slots,
                    text_of=output_text,
                )
            )
        stream = await begin_stream(account.http, call.question, streams, call.include_usage)
        account.streams.add(stream)
        return stream
    except BaseException as error:
        for opened in streams:
            await opened.aclose()
        await account.http.cancel(*(prediction.id for prediction in predictions))
        if isinstance(error, APIError):
            error.about(call.question.model, None)
        raise
    finally:
        call.in_flight.end(scope)


async def _create(call: Call, progress: Progress, *, hold: bool) -> Prediction:
    """A new prediction; with `hold`, the answer may be waited for on the connection that asks for it."""
    progress.sending()
    account = call.account
    endpoint = account.resolved(call.endpoint)
    seconds = min(_WATCHED_HOLD if progress.watched else _LONGEST_HOLD, call.timeout) if hold else 0.0
    create = partial(account.creator.create, hold=seconds, policy=call.policy)
    try:
        return await create(endpoint, call.input, call.headers)
    except NotFoundError as refused:
        if not isinstance(endpoint, ModelEndpoint):
            raise
        return await create(await account.resolve(endpoint, call.policy, refused), call.input, call.headers)


async def _wait(call: Call, prediction: Prediction, progress: Progress) -> Prediction:
    try:
        return await call.account.poller.wait(prediction, progress, call.policy)
    except BaseException:
        await call.account.http.cancel(prediction.id)
        raise


def _ended(call: Call, progress: Progress) -> APIError:
    """Why the call's scope was cancelled."""
    late = f"No answer within {call.timeout:g} s: the prediction was {progress.phase} and is cancelled."
    return call.in_flight.why_ended(late)
