"""Creating a prediction exactly once, whatever happens to the connection.

A POST whose answer is lost may or may not have created a prediction, which costs money. Then the
account's list tells: a prediction of the same target and input that nobody here has claimed is taken
over. Predictions of equal input are interchangeable: whichever caller claims one has it, and a caller
whose own was claimed by another looks for the one that is left.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any

import anyio
import msgspec

from .. import logs
from ..errors import APIConnectionError, APIError, BadRequestError
from .endpoints import DeploymentEndpoint, Endpoint, ModelEndpoint, VersionEndpoint
from .http import SILENCE, Http, Retries, to_the_end
from .limits import Slots
from .prediction_list import PredictionList, created
from .protocol.decoding import decoded
from .protocol.predictions import ListedPrediction, Prediction, decode_prediction
from .protocol.requests import Request, Response, prefer_wait
from .retry import RetryPolicy, nothing_created

_REMEMBERED = 20_000
"""Claims that are kept: what is created in half an hour at the usual limit; a claim matters for minutes."""

_LOST_LOOKS = (0.0, 0.3, 0.7, 1.5)
"""Seconds between looks for a prediction whose caller left before its id was known."""

_SWAPS = 3
"""How often a caller whose prediction was taken over looks again, beside its retries."""

_CLEANUP = 6.0
"""Seconds that looking for a lost prediction may take when its caller is leaving."""


class Claims:
    """The predictions that some caller of this router has."""

    def __init__(self) -> None:
        self._ids: OrderedDict[str, None] = OrderedDict()

    def __contains__(self, prediction_id: str) -> bool:
        return prediction_id in self._ids

    def take(self, prediction_id: str) -> bool:
        """Claims a prediction; False where another caller has it already."""
        if prediction_id in self._ids:
            return False
        self._ids[prediction_id] = None
        if len(self._ids) > _REMEMBERED:
            self._ids.popitem(last=False)
        return True


class Creator:
    """Creates predictions for one account. `held` are the connections that may wait for their answer."""

    def __init__(self, api: Http, listing: PredictionList, held: Slots) -> None:
        self._api = api
        self._held = held
        self._listing = listing
        self._claims = Claims()
        self._asking: defaultdict[bytes, int] = defaultdict(int)

    async def create(
        self,
        endpoint: Endpoint,
        input: dict[str, Any],
        headers: Mapping[str, str],
        *,
        hold: float,
        policy: RetryPolicy,
    ) -> Prediction:
        """A prediction of `input` that is this caller's alone.

        `hold` is for how many seconds the server may hold the request open to answer with the result;
        where the pool has no room for that it answers at once. Whatever ends the call before a
        prediction is in hand, one that may have been created is looked for and cancelled.
        """
        api = self._api
        body = msgspec.json.encode(endpoint.payload(input))
        request = Request("POST", api.base + endpoint.path, {**api.headers, **headers}, body)
        wanted = _Wanted(endpoint, input, body)
        again = Retries(api.budget, policy)
        swaps: Retries | None = None
        self._asking[body] += 1
        try:
            while True:
                time = await api.creations.acquire(policy.deadline)
                wanted.begun = wanted.begun or time
                response: Response | None = None
                left = again
                wanted.maybe_created = True
                try:
                    response = await self._post(request, hold)
                except BadRequestError:
                    wanted.maybe_created = False
                    raise
                except APIConnectionError as broken:
                    error: APIError = broken
                else:
                    if response.status < 300:
                        try:
                            prediction = decoded(decode_prediction, response.body)
                        except ValueError as garbled:
                            error = _no_answer(f"The answer is no prediction: {garbled}.", request)
                        else:
                            if self._claims.take(prediction.id):
                                wanted.maybe_created = False
                                return await self._trusted(prediction)
                            error = _no_answer("Another caller took over the prediction.", request)
                            left = swaps = swaps or Retries(api.budget, RetryPolicy(_SWAPS, policy.deadline))
                    else:
                        error = api.error(response, request)
                wanted.maybe_created = not nothing_created(error, response)
                if wanted.maybe_created and (found := await self._find(wanted, error, policy)):
                    return found
                await left.after(error)
                # The list may lag behind: it is asked once more before paying again.
                if wanted.maybe_created and (found := await self._find(wanted, error, policy)):
                    return found
        finally:
            if wanted.maybe_created:
                with anyio.move_on_after(_CLEANUP, shield=True):
                    await to_the_end(partial(self._cancel_lost, wanted))
            self._has_asked(wanted)

    async def _post(self, request: Request, hold: float) -> Response:
        """Sends it, on one of the connections that may be held where one is free."""
        if hold <= 0 or not self._held.take():
            return await self._api.send_short(request, self._api.creations)
        try:
            method, url, headers, body = request
            held = Request(method, url, {**headers, "Prefer": prefer_wait(hold)}, body)
            return await self._api.send(held, self._api.creations, hold + SILENCE)
        finally:
            self._held.give_back()

    async def _trusted(self, prediction: Prediction) -> Prediction:
        if prediction.urls and prediction.urls.get:
            try:
                self._api.check_trusted(prediction.urls.get)
            except APIError as error:
                error.prediction_id = prediction.id
                await self._api.cancel(prediction.id)
                raise
        return prediction

    async def _find(self, wanted: _Wanted, error: APIError, policy: RetryPolicy) -> Prediction | None:
        """Takes over the oldest prediction that answers what is wanted and that nobody has."""
        try:
            candidates = await self._unclaimed(wanted, policy)
        except APIError:
            # Whether it was created cannot be known, so it is not created again.
            raise error from None
        for prediction in candidates:
            if self._claims.take(prediction.id):
                wanted.maybe_created = False
                self._has_asked(wanted)
                logs.logger.info("Taking over prediction %s, whose creation was not answered", prediction.id)
                return prediction
        return None

    def _has_asked(self, wanted: _Wanted) -> None:
        """This caller has what it asked for, or nothing any more; to be called again does no harm."""
        if wanted.asking:
            wanted.asking = False
            self._asking[wanted.body] -= 1
            if not self._asking[wanted.body]:
                del self._asking[wanted.body]

    async def _unclaimed(self, wanted: _Wanted, policy: RetryPolicy) -> list[Prediction]:
        """The listed predictions that may be what is wanted, oldest first."""
        found: dict[str, Prediction] = {}

        def seen(prediction: ListedPrediction) -> None:
            if prediction.id not in self._claims and _answers(prediction, wanted.endpoint, wanted.input):
                found.setdefault(prediction.id, prediction)

        await self._listing.read(wanted.begun, seen, policy)
        since = self._api.server_time(wanted.begun)
        return [
            prediction
            for prediction in reversed(found.values())
            if prediction.id not in self._claims and _recent(prediction, since)
        ]

    async def _cancel_lost(self, wanted: _Wanted) -> None:
        """Cancels what was created for a caller who has left, as far as it can be told apart.

        While others ask the same, one of theirs could be hit; that is only avoided where there is one
        for each of them. Where there never is, `Cancel-After` ends what is left.
        """
        for wait in _LOST_LOOKS:
            if not wanted.asking:
                return
            await anyio.sleep(wait)
            try:
                candidates = await self._unclaimed(wanted, RetryPolicy(1))
            except APIError:
                continue
            # What has ended needs no cancelling, and may be an earlier caller's of another router.
            running = [prediction for prediction in candidates if not prediction.terminal]
            if len(running) >= self._asking[wanted.body] and self._claims.take(running[0].id):
                self._has_asked(wanted)
                await self._api.cancel(running[0].id)


class _Wanted:
    """What one caller asks for, and whether it may exist without anybody having it."""

    def __init__(self, endpoint: Endpoint, input: dict[str, Any], body: bytes) -> None:
        self.endpoint = endpoint
        self.input = input
        self.body = body
        self.begun = 0.0
        self.maybe_created = False
        self.asking = True


def _no_answer(message: str, request: Request) -> APIError:
    return APIConnectionError(message, method=request.method, url=request.url)


def _recent(prediction: Prediction, since: datetime | None) -> bool:
    then = created(prediction.created_at)
    return since is None or then is None or then >= since


def _answers(prediction: ListedPrediction, endpoint: Endpoint, input: dict[str, Any]) -> bool:
    """Whether a listed prediction may be what was asked for: the same input, and no other target."""
    if isinstance(endpoint, DeploymentEndpoint):
        same_target = prediction.deployment in (None, f"{endpoint.owner}/{endpoint.name}")
    elif isinstance(endpoint, VersionEndpoint):
        same_target = prediction.version in (None, "hidden", endpoint.version)
    elif isinstance(endpoint, ModelEndpoint):
        # Official models at times go by an internal name.
        owner = (prediction.model or "").partition("/")[0]
        same_target = prediction.model in (None, endpoint.model) or owner == "replicate-internal"
    else:
        same_target = True
    try:
        return same_target and msgspec.json.decode(prediction.input) == input
    except msgspec.DecodeError:
        return False
