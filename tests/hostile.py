"""A Replicate that has a bad day, over real HTTP.

`HostileReplicate` is a `LocalReplicate` with mishaps in front of it. A mishap sees a request before the
server does, and the answer before the client does, and may change or replace either:

    async with HostileReplicate([llama()]) as hostile:
        hostile.on("create", edge_page(502), times=1)  # the prediction is created, and the client not told
        hostile.on("list", rows_late(2.0))

What `LocalReplicate` and its `Faults` can do already (resets, latency, lost answers, rate limits, cut
streams, an echoed `deadline`) is used as it is.
"""

from __future__ import annotations

import asyncio
import itertools
import math
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, Concatenate, NamedTuple, ParamSpec

import msgspec
from aiohttp import web
from multidict import CIMultiDict

from areplicate.local import LocalModel, LocalPrediction, LocalReplicate, SeenRequest
from areplicate.local.faults import edge_error, reset
from areplicate.local.refusals import Refusal, unauthenticated
from areplicate.local.routes import find_route

INTERRUPTED = "Prediction interrupted; please retry (code: PA)"
"""A failure of the platform's, not of the model's."""

GoOn = Callable[[], Coroutine[Any, Any, web.StreamResponse]]
"""Lets the request go on towards the server, and gives its answer."""


class Asked(NamedTuple):
    """A request in front of the server."""

    kind: str
    """`create`, `get`, `list`, `cancel`, `stream`, `model`, `version`, `upload`, ..."""
    request: web.BaseRequest
    server: HostileReplicate


Mishap = Callable[[Asked, GoOn], Awaitable[web.StreamResponse]]
P = ParamSpec("P")


class _Rule(msgspec.Struct):
    kind: str
    mishap: Mishap
    skip: int
    left: int | None

    def strikes(self, kind: str) -> bool:
        if self.kind not in ("*", kind) or self.left == 0:
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.left is not None:
            self.left -= 1
        return True


class HostileReplicate(LocalReplicate):
    """A `LocalReplicate` with mishaps in front of it; takes the same arguments.

    Args:
        prefix: a path before the API's own, as Cloudflare's AI Gateway has one: `/v1/account/gateway/replicate`
            stands where the API has `/v1`.
    """

    def __init__(
        self, models: Iterable[LocalModel] | None = None, *args: Any, prefix: str = "/v1", **options: Any
    ) -> None:
        super().__init__(models, *args, **options)
        self._prefix = prefix
        self._rules: list[_Rule] = []
        self.asked: list[SeenRequest] = []
        """Every request that arrived, also those that a mishap kept from the server."""

    async def __aenter__(self) -> HostileReplicate:
        await super().__aenter__()
        return self

    def __enter__(self) -> HostileReplicate:
        super().__enter__()
        return self

    @property
    def api_base(self) -> str:
        return super().api_base.removesuffix("/v1") + self._prefix

    def on(self, kind: str, mishap: Mishap, *, times: int | None = None, skip: int = 0) -> None:
        """Lets a mishap befall requests of one kind, or of every kind (`*`).

        It befalls `times` requests, after the first `skip`. Of several the one given first is nearest to
        the client: it sees the request first and the answer last.
        """
        self._rules.append(_Rule(kind, mishap, skip, times))

    def behave(self) -> None:
        """Ends all mishaps."""
        self._rules.clear()

    def publish(self, model: LocalModel) -> None:
        """A new version of a model takes the place of the old, which is gone from then on (422)."""
        service = self._service
        service.versions.pop(service.models[model.full_name].version)
        service.versions[model.version] = service.models[model.full_name] = model

    def asked_for(self, *kinds: str) -> list[SeenRequest]:
        """The requests of these kinds that arrived."""
        return [seen for seen in self.asked if seen.kind in kinds]

    @property
    def statuses(self) -> Counter[str]:
        """How many predictions have which status."""
        return Counter(prediction.status for prediction in list(self.predictions.values()))

    def age(self, prediction_id: str) -> float:
        """Seconds since a prediction was created."""
        prediction = self.predictions[prediction_id]
        return prediction.clock.now() - prediction.created

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        url = request.rel_url
        if self._prefix != "/v1" and url.path.startswith(self._prefix):
            inner = url.raw_path.replace(self._prefix, "/v1", 1)
            request = request.clone(rel_url=url.with_path(inner, encoded=True, keep_query=True))
        body = await request.read() if request.body_exists else b""
        kind = find_route(request.method, request.rel_url.path)[0].kind
        now = self._service.clock.now()
        self.asked.append(SeenRequest(request.method, url.path, url.query, request.headers, body, now, kind))
        asked = Asked(kind, request, self)
        try:
            answer = await self._befall(asked, [rule.mishap for rule in self._rules if rule.strikes(kind)])
        except Refusal as refusal:
            answer = refusal.answer()
        if not answer.prepared:
            answer.headers.setdefault("Date", self._service.clock.http_date())
        return answer

    async def _befall(self, asked: Asked, mishaps: list[Mishap]) -> web.StreamResponse:
        if not mishaps:
            return await super()._handle(asked.request)
        return await mishaps[0](asked, lambda: self._befall(asked, mishaps[1:]))


def mishap(
    strike: Callable[Concatenate[Asked, GoOn, P], Awaitable[web.StreamResponse]],
) -> Callable[P, Mishap]:
    """Makes a mishap's further arguments those of a function that gives it."""

    def with_these(*args: P.args, **options: P.kwargs) -> Mishap:
        return lambda asked, go_on: strike(asked, go_on, *args, **options)

    return with_these


@mishap
async def edge_page(asked: Asked, go_on: GoOn, status: int, created: bool = True) -> web.StreamResponse:
    """An error page in HTML, from something between that gave up; after the request went through, or before."""
    if created:
        await go_on()
    return edge_error(status)


@mishap
async def gives_up_after(asked: Asked, go_on: GoOn, seconds: float, status: int = 504) -> web.StreamResponse:
    """An edge that answers with an error page where the server takes longer; what was asked for goes on."""
    answer = asyncio.ensure_future(go_on())
    done, _ = await asyncio.wait({answer}, timeout=seconds)
    if done:
        return answer.result()
    answer.cancel()
    return edge_error(status)


@mishap
async def problem(
    asked: Asked, go_on: GoOn, status: int, detail: str = "Internal server error"
) -> web.StreamResponse:
    """The API's own error, in JSON; the request has no effect."""
    raise Refusal(status, detail)


@mishap
async def away_for(asked: Asked, go_on: GoOn, seconds: float, status: int = 503) -> web.StreamResponse:
    """An error with a `Retry-After` of that long; the request has no effect."""
    return web.Response(status=status, headers={"Retry-After": f"{seconds:g}"})


@mishap
async def hangs(asked: Asked, go_on: GoOn, seconds: float | None = None) -> web.StreamResponse:
    """No answer at all, or none for that long; the request arrives after it."""
    if seconds is None:
        await asyncio.get_running_loop().create_future()
    await asyncio.sleep(seconds or 0.0)
    return await go_on()


@mishap
async def trickles(asked: Asked, go_on: GoOn, pause: float = 1.0) -> web.StreamResponse:
    """The answer comes a byte at a time, with a pause of so many seconds before each."""
    answer = await go_on()
    slow = web.StreamResponse(status=answer.status, headers=_content_headers(answer))
    await slow.prepare(asked.request)
    for byte in _body(answer):
        await asyncio.sleep(pause)
        await slow.write(bytes([byte]))
    return slow


@mishap
async def resets_after(asked: Asked, go_on: GoOn, seconds: float = 0.0) -> web.StreamResponse:
    """The request goes through, and the connection is reset before the answer is out."""
    await go_on()
    await asyncio.sleep(seconds)
    return await reset(asked.request)


def crosses() -> Mishap:
    """Two requests that are under way at the same time get each other's answers, from a proxy that mixes them up."""
    waiting: list[tuple[asyncio.Future[web.StreamResponse], web.StreamResponse]] = []

    async def mishap(asked: Asked, go_on: GoOn) -> web.StreamResponse:
        answer = await go_on()
        if waiting:
            other, others = waiting.pop()
            other.set_result(answer)
            return others
        mine: asyncio.Future[web.StreamResponse] = asyncio.get_running_loop().create_future()
        waiting.append((mine, answer))
        return await mine

    return mishap


@mishap
async def without_date(asked: Asked, go_on: GoOn) -> web.StreamResponse:
    """The answer has no `Date`, as an edge's own pages often have none."""
    answer = await go_on()
    return _Undated(status=answer.status, headers=_content_headers(answer), body=_body(answer))


@mishap
async def date_ahead(asked: Asked, go_on: GoOn, seconds: float) -> web.StreamResponse:
    """`Date` is that far ahead of the clock in the predictions, or behind it."""
    answer = await go_on()
    clock = asked.server._service.clock
    moment = clock.wall(clock.now() + seconds)
    answer.headers["Date"] = moment.strftime("%a, %d %b %Y %H:%M:%S GMT")
    return answer


@mishap
async def changes(asked: Asked, go_on: GoOn, change: Callable[[Asked, Any], None]) -> web.StreamResponse:
    """A mishap that changes the JSON of what succeeds."""
    answer = await go_on()
    if isinstance(answer, web.Response) and answer.status < 300:
        body = msgspec.json.decode(_body(answer))
        change(asked, body)
        answer.body = msgspec.json.encode(body)
    return answer


@mishap
async def body_is(
    asked: Asked, go_on: GoOn, damage: Callable[[bytes], bytes], encoding: str | None = None
) -> web.StreamResponse:
    """The answer has another body: what `damage` makes of its own."""
    answer = await go_on()
    headers = _content_headers(answer)
    if encoding is not None:
        headers["Content-Encoding"] = encoding
    return web.Response(status=answer.status, headers=headers, body=damage(_body(answer)))


@mishap
async def redirects(asked: Asked, go_on: GoOn) -> web.StreamResponse:
    """A redirect to the very same URL; the request has no effect."""
    return web.Response(status=307, headers={"Location": str(asked.request.url)})


def leads_to(origin: str) -> Mishap:
    """For `create`: the URLs at which the prediction is looked at and streamed are of another origin."""

    def change(asked: Asked, prediction: Any) -> None:
        own = f"http://{asked.request.host}"
        prediction["urls"] |= {
            name: prediction["urls"][name].replace(own, origin) for name in ("get", "stream")
        }

    return changes(change)


def rows_late(seconds: float) -> Mishap:
    """For `list`: a prediction appears that long after it was created."""

    def change(asked: Asked, page: Any) -> None:
        page["results"] = [row for row in page["results"] if asked.server.age(row["id"]) >= seconds]

    return changes(change)


def list_behind(seconds: float) -> Mishap:
    """For `list`: everything is shown as it was that long ago."""

    def change(asked: Asked, page: Any) -> None:
        rows = [row for row in page["results"] if asked.server.age(row["id"]) >= seconds]
        for row in rows:
            _as_it_was(row, asked.server.predictions[row["id"]], seconds)
        page["results"] = rows

    return changes(change)


def _as_it_was(row: dict[str, Any], prediction: LocalPrediction, seconds: float) -> None:
    state = prediction.state_at(prediction.clock.now() - seconds)
    if not state.terminal:
        row.update(status=state.status, output=None, error=None, metrics=None, completed_at=None)


def without_field(name: str) -> Mishap:
    """Predictions lack a field, such as `deadline`; in the list too."""

    def change(asked: Asked, body: Any) -> None:
        for prediction in body.get("results", [body]):
            prediction.pop(name, None)

    return changes(change)


@mishap
async def wants_header(asked: Asked, go_on: GoOn, name: str, value: str) -> web.StreamResponse:
    """401 unless the request has this header, which is kept from the server: an authenticating proxy."""
    if asked.request.headers.get(name) != value:
        raise unauthenticated()
    return await go_on()


def low_credit() -> Mishap:
    """For `create`: 6 a minute with a burst of 1; such a 429 tells the seconds in its body alone."""
    free_at = float("-inf")

    async def mishap(asked: Asked, go_on: GoOn) -> web.StreamResponse:
        nonlocal free_at
        now = asyncio.get_running_loop().time()
        if now < free_at - 1e-6:
            seconds = math.ceil(free_at - now - 1e-6)
            detail = (
                "Request was throttled. Your rate limit for creating predictions is reduced to 6 requests per "
                "minute with a burst of 1 requests while you have less than $5.0 in credit. "
                f"Your rate limit resets in ~{seconds}s."
            )
            body = msgspec.json.encode({"detail": detail, "status": 429, "retry_after": seconds})
            return web.Response(status=429, body=body, content_type="application/json")
        free_at = now + 10
        answer = await go_on()
        for header in ("ratelimit-remaining", "ratelimit-reset"):
            answer.headers.pop(header, None)
        return answer

    return mishap


def fails_first(times: int, then: Any = "fine", error: str = INTERRUPTED) -> Callable[[dict[str, Any]], Any]:
    """A `LocalModel.reply`: the first predictions fail with that error, later ones succeed."""
    runs = itertools.count()

    def reply(input: dict[str, Any]) -> Any:
        if next(runs) < times:
            raise RuntimeError(error)
        return then

    return reply


def _body(answer: web.StreamResponse) -> bytes:
    body = answer.body if isinstance(answer, web.Response) else None
    return body if isinstance(body, bytes) else b""


def _content_headers(answer: web.StreamResponse) -> CIMultiDict[str]:
    headers = CIMultiDict(answer.headers)
    headers.pop("Content-Length", None)
    return headers


class _Undated(web.Response):
    """aiohttp dates every answer that has no date: it is taken away at the last moment."""

    async def _write_headers(self) -> None:
        self.headers.popall("Date", None)
        await super()._write_headers()
