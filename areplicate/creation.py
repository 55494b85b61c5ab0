"""Creating a prediction exactly once, whatever happens to the connection.

A POST whose answer is lost may or may not have created a prediction, which costs money. Then the
account's list tells: a prediction of the same target and input that nobody here has claimed is taken
over. Predictions of equal input are interchangeable: whichever caller claims one has it, and a caller
whose own was claimed by another looks for the one that is left.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import anyio
import msgspec

from . import logs
from .api import API, SILENCE, Retries
from .endpoints import DeploymentEndpoint, Endpoint, ModelEndpoint, VersionEndpoint
from .errors import APIConnectionError, APIError
from .limits import Slots
from .listing import Listing, created
from .protocol.predictions import Prediction, decode_prediction
from .protocol.requests import Request, Response, prefer_wait
from .retry import Patience, may_pass, nothing_created

_REMEMBERED = 100_000
"""Claims that are kept; far more than are created in the seconds for which a claim matters."""

_LOST_LOOKS = (0.0, 0.3, 0.7, 1.5)
"""Seconds between looks for a prediction whose caller left before its id was known."""

_CLEANUP = 6.0


class Claims:
    """The predictions that some caller of this router has."""

    def __init__(self) -> None:
        self._ids: OrderedDict[str, None] = OrderedDict()

    def take(self, prediction_id: str) -> bool:
        """Claims a prediction; False where another caller has it already."""
        if prediction_id in self._ids:
            return False
        self._ids[prediction_id] = None
        if len(self._ids) > _REMEMBERED:
            self._ids.popitem(last=False)
        return True


class Creator:
    """Creates predictions for one account. `slots` are the connections that may be held open."""

    def __init__(self, api: API, listing: Listing, slots: Slots) -> None:
        self._api = api
        self._slots = slots
        self._listing = listing
        self._claims = Claims()

    async def create(
        self,
        endpoint: Endpoint,
        input: dict[str, Any],
        headers: Mapping[str, str],
        *,
        hold: float,
        patience: Patience,
    ) -> Prediction:
        """A prediction of `input` that is this caller's alone.

        `hold` is for how many seconds the server may hold the request open to answer with the result;
        where the pool has no room for that it answers at once. If the caller is cancelled before the
        id is known, the prediction is looked for and cancelled.
        """
        api = self._api
        request = Request(
            "POST",
            api.base + endpoint.path,
            {**api.headers, **headers},
            msgspec.json.encode(endpoint.payload(input)),
        )
        again = Retries(api.budget, patience)
        begun: float | None = None
        while True:
            time = await api.creations.acquire(patience.deadline)
            begun = begun or time
            response: Response | None = None
            try:
                response = await self._post(request, hold)
            except APIConnectionError as broken:
                error: APIError = broken
            except BaseException:
                with anyio.move_on_after(_CLEANUP, shield=True):
                    await self._cancel_lost(endpoint, input, begun)
                raise
            else:
                if response.status < 300:
                    prediction = _decoded(response, request)
                    if isinstance(prediction, Prediction) and self._claims.take(prediction.id):
                        return await self._trusted(prediction)
                    error = _taken(request) if isinstance(prediction, Prediction) else prediction
                else:
                    error = api.error(response, request)
                    if not may_pass(error):
                        raise error
            lost = not nothing_created(error, response)
            if lost and (found := await self._find(endpoint, input, begun, error, patience)):
                return found
            await again.after(error)
            # The list may lag behind: it is asked once more before paying again.
            if lost and (found := await self._find(endpoint, input, begun, error, patience)):
                return found

    async def _post(self, request: Request, hold: float) -> Response:
        """Sends it, on one of the connections that may be held where one is free."""
        if hold <= 0 or not self._slots.take():
            return await self._api.send(request, self._api.creations)
        try:
            held = request._replace(headers={**request.headers, "Prefer": prefer_wait(hold)})
            return await self._api.send(held, self._api.creations, hold + SILENCE)
        finally:
            self._slots.give_back()

    async def _trusted(self, prediction: Prediction) -> Prediction:
        if prediction.urls and prediction.urls.get:
            try:
                self._api.check_trusted(prediction.urls.get)
            except APIError as error:
                error.prediction_id = prediction.id
                await self._api.cancel(prediction.id)
                raise
        return prediction

    async def _find(
        self, endpoint: Endpoint, input: dict[str, Any], begun: float, error: APIError, patience: Patience
    ) -> Prediction | None:
        try:
            listed = await self._listing.since(begun, patience)
        except APIError as unlisted:
            # Whether it was created cannot be known, so it is not created again.
            raise error from unlisted
        since = self._api.server_time(begun)
        for prediction in reversed(listed):
            recent = since is None or prediction.created_at is None or created(prediction.created_at) >= since
            if recent and _answers(prediction, endpoint, input) and self._claims.take(prediction.id):
                logs.logger.info("Taking over prediction %s, whose creation was not answered", prediction.id)
                return prediction
        return None

    async def _cancel_lost(self, endpoint: Endpoint, input: dict[str, Any], begun: float) -> None:
        for wait in _LOST_LOOKS:
            await anyio.sleep(wait)
            try:
                lost = await self._find(
                    endpoint, input, begun, APIConnectionError("cancelled"), patience=Patience(1)
                )
            except APIError:
                continue
            if lost is not None:
                if not lost.terminal:
                    await self._api.cancel(lost.id)
                return


def _decoded(response: Response, request: Request) -> Prediction | APIError:
    try:
        return decode_prediction(response.body)
    except msgspec.DecodeError as error:
        return APIConnectionError(
            f"The answer is no prediction: {error}.", method=request.method, url=request.url
        )


def _taken(request: Request) -> APIError:
    return APIConnectionError(
        "Another caller took over the prediction.", method=request.method, url=request.url
    )


def _answers(prediction: Prediction, endpoint: Endpoint, input: dict[str, Any]) -> bool:
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
