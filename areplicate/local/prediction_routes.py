"""Making, watching, listing and cancelling predictions."""

from __future__ import annotations

from datetime import datetime, timezone
from itertools import islice, takewhile
from typing import Any

import msgspec
from aiohttp import web

from .bodies import json_answer, prediction_body
from .calls import RouteCall, route
from .clock import TICK
from .creations import Creation, VersionCreation, parse_cancel_after, parse_creation, parse_prefer
from .faults import reset, stall
from .models import LocalModel
from .paging import PAGE, page, position
from .predictions import LocalPrediction, State
from .refusals import InvalidField, invalid, not_found
from .service import Service
from .streams import HEADERS, Cut, index_after, send_events


@route("POST /predictions", kind="create", group="create")
async def create_by_version(service: Service, call: RouteCall) -> web.StreamResponse:
    creation = parse_creation(call.seen.body, VersionCreation)
    return await _create(service, call, service.version(creation.version), creation.input)


@route("POST /models/*/*/predictions", kind="create", group="create")
async def create_by_model(service: Service, call: RouteCall) -> web.StreamResponse:
    """By an official model's name: community models do not have this."""
    model = service.model("/".join(call.names))
    if not model.official:
        raise not_found()
    creation = parse_creation(call.seen.body, Creation)
    return await _create(service, call, model, creation.input)


@route("POST /deployments/*/*/predictions", kind="create", group="create")
async def create_by_deployment(service: Service, call: RouteCall) -> web.StreamResponse:
    deployment = service.deployment("/".join(call.names))
    creation = parse_creation(call.seen.body, Creation)
    model = service.model(deployment.model)
    return await _create(service, call, model, creation.input, deployment.full_name)


async def _create(
    service: Service, call: RouteCall, model: LocalModel, input: dict[str, Any], deployment: str | None = None
) -> web.StreamResponse:
    headers = call.seen.headers
    prefer = headers.get("Prefer")
    seconds = parse_prefer(prefer)
    cancel_after = parse_cancel_after(headers.get("Cancel-After"))
    prediction = service.create(model, input, call.token, deployment=deployment, cancel_after=cancel_after)
    if call.mishap == "lost":
        return await reset(call.request)
    if seconds is None:
        return _answer(call, prediction, 201, State("starting", 0))  # even if the model is warm
    # Should the caller leave meanwhile, the wait ends with its connection and the prediction goes on.
    state = await _hold_open(prediction, service.clock.now() + seconds)
    answer = _answer(call, prediction, 202 if state is None else 201, state)
    answer.headers["Preference-Applied"] = prefer or ""
    return answer


async def _hold_open(prediction: LocalPrediction, until: float) -> State | None:
    """Wait for the output, and return the state to answer with; None if it took too long."""
    now = prediction.clock.now
    while True:
        early = prediction.model.answers_early and prediction.outcome == "succeeded"
        complete = prediction.last_piece if early else prediction.ends
        if complete <= now() + TICK:
            whole = State("processing", len(prediction.written.pieces))
            return whole if early else prediction.state_at(now())
        if until <= now() + TICK:
            return None
        await prediction.wait(min(until, complete))


@route("GET /predictions/*", kind="get", group="get")
async def read(service: Service, call: RouteCall) -> web.StreamResponse:
    return _answer(call, service.prediction(call.names[0], call.token), 200)


@route("POST /predictions/*/cancel", kind="cancel", group="cancel")
async def cancel(service: Service, call: RouteCall) -> web.StreamResponse:
    """Cancels a prediction; one that has ended stays as it is."""
    prediction = service.prediction(call.names[0], call.token)
    prediction.cancel(service.clock.now())
    return _answer(call, prediction, 200)


@route("GET /streams/*", kind="stream", group="stream", open=True)
async def stream(service: Service, call: RouteCall) -> web.StreamResponse:
    """The events of a prediction. The service has this on another host, for everybody who has the URL."""
    prediction = service.predictions.get(call.names[0])
    if prediction is None or not prediction.model.streams or prediction.removed_at <= service.clock.now():
        raise not_found()
    if call.mishap == "stall":
        return await stall(call.request, HEADERS)
    faults = call.fate.faults
    last_seen = None if faults.stream_forgets else call.seen.headers.get("Last-Event-ID")
    start = index_after(last_seen)
    cut = None
    if call.mishap == "cut":
        after = faults.stream_cut_after
        if after is None:
            after = call.fate.random.randint(0, max(0, len(prediction.written.pieces) - start))
        cut = Cut(after, faults.stream_cut_mid_event)
    return await send_events(call.request, prediction, start, service.stream_timeout, cut)


@route("GET /predictions", kind="list", group="get")
async def list_all(service: Service, call: RouteCall) -> web.StreamResponse:
    """The token's own, newest first, a page at a time."""
    query = call.seen.query
    if query.get("source", "web") != "web":
        raise invalid([InvalidField("enum", "source", 'source must be one of the following: "web"')])
    if "source" in query:  # nobody makes predictions on the stand-in's website
        return page(call, [], None)
    after, before = (_instant(query.get(name), name) for name in ("created_after", "created_before"))
    last = len(service.in_order) - 1
    if (start := position(call)) is None:
        start = last
    now = service.clock.now()

    def is_shown(number: int) -> bool:
        prediction = service.in_order[number]
        earlier = before is None or service.clock.wall(prediction.created) < before
        return earlier and prediction.token == call.token

    def is_recent(number: int) -> bool:
        return after is None or service.clock.wall(service.in_order[number].created) >= after

    numbers = takewhile(is_recent, range(min(start, last), -1, -1))
    shown = list(islice(filter(is_shown, numbers), PAGE + 1))
    results = [_row(call, service.in_order[number], now) for number in shown[:PAGE]]
    return page(call, results, shown[PAGE] if len(shown) > PAGE else None)


def _row(call: RouteCall, prediction: LocalPrediction, now: float) -> msgspec.Raw:
    """A prediction in the list, which is asked for far more often than its predictions change."""
    state, removed = prediction.state_at(now), now >= prediction.removed_at
    seen = (state, prediction.ends, removed, call.origin)
    if prediction.listed is None or prediction.listed[0] != seen:
        row = msgspec.Raw(msgspec.json.encode(prediction_body(prediction, state, call.origin)))
        prediction.listed = seen, row
    return prediction.listed[1]


def _instant(text: str | None, name: str) -> datetime | None:
    if text is None:
        return None
    try:
        moment = msgspec.convert(text, datetime)
    except msgspec.ValidationError:
        raise invalid([InvalidField("format", name, "Does not match format 'date-time'")]) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def _answer(
    call: RouteCall, prediction: LocalPrediction, status: int, state: State | None = None
) -> web.Response:
    state = state or prediction.state_at(prediction.clock.now())
    return json_answer(prediction_body(prediction, state, call.origin), status)
