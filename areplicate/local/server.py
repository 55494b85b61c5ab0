"""`LocalReplicate`: the stand-in's server."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from contextlib import ExitStack
from functools import partial

from aiohttp import web
from anyio.from_thread import start_blocking_portal

from .calls import Route, RouteCall, SeenRequest
from .defaults import DEFAULT_DEPLOYMENTS, DEFAULT_MODELS
from .faults import Fate, Faults, edge_error, reset
from .models import LocalDeployment, LocalModel
from .predictions import LocalPrediction
from .rate_limits import Bucket, throttled
from .refusals import Refusal, forbidden, out_of_credit, unauthenticated
from .routes import find_route
from .service import Service

BACKLOG = 8192
"""Connections that may wait to be accepted: thousands of clients may arrive at once."""
KEEPALIVE = 3600.0
LARGEST_BODY = 2**30


class LocalReplicate:
    """A stand-in for Replicate's HTTP API, to run on your own machine.

    Use it as `async with LocalReplicate(models=[...]) as local:` on the running asyncio loop, or as
    `with LocalReplicate(...) as local:`, on a loop of its own in another thread. Point a client at
    `local.api_base`; any token does, unless `tokens` says which.

    Args:
        models: what it serves; left out, `DEFAULT_MODELS` and `DEFAULT_DEPLOYMENTS`.
        deployments: names of their own for some of the models.
        host, port: where it listens; port 0 takes a free one.
        tokens: the tokens that are accepted. A mapping gives each the status it meets: 200, or 402
            (creations are refused for lack of credit), or 403 (everything is).
        faults: what goes wrong on purpose; may be replaced at any time.
        create_per_minute, other_per_minute: each account's rate limits (Replicate's are 600 and 3000);
            None means no limit.
        create_burst, other_burst: how many of those may come at once; a minute's worth if left out.
        retry_after: whether a 429 says `Retry-After`.
        stream_timeout: seconds of silence after which a stream ends.
        log_requests: whether `requests` remembers them; a long-lived server should not.
    """

    def __init__(
        self,
        models: Iterable[LocalModel] | None = None,
        deployments: Iterable[LocalDeployment] | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        tokens: Mapping[str, int] | Collection[str] | None = None,
        faults: Faults | None = None,
        create_per_minute: int | None = None,
        other_per_minute: int | None = None,
        create_burst: int | None = None,
        other_burst: int | None = None,
        retry_after: bool = True,
        stream_timeout: float = 30.0,
        log_requests: bool = True,
    ) -> None:
        if models is None:
            models, deployments = DEFAULT_MODELS, DEFAULT_DEPLOYMENTS if deployments is None else deployments
        self.requests: list[SeenRequest] = []
        self.counts: Counter[str] = Counter()
        """How many requests of each kind arrived: `create`, `get`, `list`, `cancel`, `stream`, ..."""
        self._service = Service(models, deployments or (), stream_timeout=stream_timeout)
        self._host, self._port = host, port
        if tokens is not None and not isinstance(tokens, Mapping):
            tokens = dict.fromkeys(tokens, 200)
        self._tokens = tokens
        self._fate = Fate(faults or Faults())
        self._limits = {
            "create": (create_per_minute, create_burst, 600),
            "other": (other_per_minute, other_burst, 3000),
        }
        self._buckets: dict[tuple[str, str], Bucket] = {}
        self._retry_after = retry_after
        self._log_requests = log_requests
        self._runner: web.ServerRunner | None = None
        self._thread: ExitStack | None = None

    @property
    def api_base(self) -> str:
        """What a client takes as its base URL: `http://127.0.0.1:PORT/v1`."""
        return f"http://{self._host}:{self._port}/v1"

    @property
    def predictions(self) -> dict[str, LocalPrediction]:
        """Every prediction made, by its id, oldest first."""
        return self._service.predictions

    def running(self) -> list[LocalPrediction]:
        """The predictions that have not ended; one left here after a client is done is a leak."""
        return self._service.running()

    @property
    def faults(self) -> Faults:
        return self._fate.faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self._fate = Fate(faults)

    async def __aenter__(self) -> LocalReplicate:
        self._service.clock.start()
        server = web.Server(
            self._handle,
            request_factory=partial(
                web.BaseRequest, loop=asyncio.get_running_loop(), client_max_size=LARGEST_BODY
            ),
            handler_cancellation=True,
            access_log=None,
            keepalive_timeout=KEEPALIVE,
        )
        self._runner = web.ServerRunner(server, shutdown_timeout=0.05)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port, backlog=BACKLOG)
        await site.start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()
            # Closed transports let go of their sockets one turn of the loop later.
            await asyncio.sleep(0)

    def __enter__(self) -> LocalReplicate:
        with ExitStack() as stack:
            portal = stack.enter_context(start_blocking_portal())
            stack.enter_context(portal.wrap_async_context_manager(self))
            self._thread = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        if self._thread is not None:
            thread, self._thread = self._thread, None
            thread.close()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """The front door: the log, the faults, and then the answer."""
        route, names = find_route(request.method, request.rel_url.path)
        seen = await self._seen(request, route)
        fate = self._fate
        if fate.faults.latency:
            await asyncio.sleep(fate.faults.latency)
        match mishap := fate.draw(route.group):
            case "error":
                return edge_error(fate.faults.error_status)
            case "reset":
                return await reset(request)
        try:
            call = RouteCall(request=request, seen=seen, names=names, token="", fate=fate, mishap=mishap)
            return await self._answer(route, call)
        except ConnectionError:  # the caller left while a stream was being written
            return await reset(request)

    async def _seen(self, request: web.BaseRequest, route: Route) -> SeenRequest:
        """The request, read and counted."""
        url = request.rel_url
        seen = SeenRequest(
            method=request.method,
            path=url.path,
            query=url.query if url.raw_query_string else {},
            headers=request.headers,
            body=await request.read() if request.body_exists else b"",
            time=self._service.clock.now(),
            kind=route.kind,
        )
        self.counts[route.kind] += 1
        if self._log_requests:
            self.requests.append(seen)
        return seen

    async def _answer(self, route: Route, call: RouteCall) -> web.StreamResponse:
        """The route's answer, or the refusal of the token or the limits, with the headers that every answer has."""
        headers: dict[str, str] = {}
        try:
            call.token = self._authenticate(call.request, route)
            headers = self._limit(call, route)
            answer = await route.handler(self._service, call)
        except Refusal as refusal:
            answer = refusal.answer()
        if not answer.prepared:
            answer.headers.update(headers)
            answer.headers["Date"] = self._service.clock.http_date()
        return answer

    def _authenticate(self, request: web.BaseRequest, route: Route) -> str:
        """The caller's token; URLs that open themselves, to streams and downloads, need none."""
        if route.open:
            return ""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        token = token.strip()
        known = self._tokens is None or token in self._tokens
        if scheme not in ("Bearer", "Token") or not token or not known:
            raise unauthenticated()
        standing = 200 if self._tokens is None else self._tokens[token]
        if standing == 402 and route.group == "create":
            raise out_of_credit()
        if standing == 403:
            raise forbidden()
        return token

    def _limit(self, call: RouteCall, route: Route) -> dict[str, str]:
        """Take one request from the account's budget; a stream's host counts none."""
        if route.group == "stream":
            return {}
        group = "create" if route.group == "create" else "other"
        bucket = self._buckets.get((call.token, group))
        if bucket is None:
            bucket = self._buckets[call.token, group] = Bucket(*self._limits[group])
        passes, headers = bucket.take(call.seen.time)
        if call.mishap == "throttled":
            passes, headers = False, {**headers, "ratelimit-remaining": "0"}
        if not passes:
            raise throttled(headers, retry_after=self._retry_after)
        return headers
