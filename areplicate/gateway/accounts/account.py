"""One request's account: admits it within its key's limits and budget, and writes down what it cost.

The front door opens an account for each request, and the route calls `admit` once it has read what is
wanted. The end of the `async with` settles what was admitted by what really ran, however the request ended, and
writes its usage row, its metrics and its line in the log. If the end of a prediction is not known by then, since
the client left or something broke, it is looked at once more in the background, and what was reserved for it
stays reserved until then.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import msgspec

from ...chat.responses import PricedUsage, Usage
from ...errors import APIConnectionError, APIError
from ...replicate.http import HOLD_LARGE
from ...replicate.live import ON_BEGUN, LivePrediction
from ...replicate.transports.base import sends_nothing
from ..config.backend import Backend
from ..config.entries import ModelEntry
from ..errors import CLIENT_GONE, GatewayError, from_upstream, let_go, stopping, unexpected
from ..logs import AccessRecord, access_logger, fields, logger
from ..metrics import Metrics
from ..upstream import Asking, NoRoomForAnswer, NotAskedAgain, asking
from .accounts import Accounts
from .auth import ANYBODY, Caller
from .bill import Bill
from .costs import Demand
from .key_limits import Hold
from .keys import Key
from .record import Record
from .tables import UsageRow


class Account:
    """One request's account.

    Attributes:
        backend: the configuration and the router that serve it.
        caller: who sent it.
        record: what is known of it so far.
    """

    def __init__(self, accounts: Accounts, metrics: Metrics, backend: Backend) -> None:
        self.backend = backend
        self.caller: Caller = ANYBODY
        self.record = Record()
        self._accounts = accounts
        self._metrics = metrics
        self._at = 0.0
        self._asking = Asking(self._count_again, self._hold_answer)
        """What Replicate is asked for it, such as the inputs of a model that nobody knows."""
        self._bill = Bill(backend, accounts.costs, self.record)
        self._body_bytes = 0
        self._answers: dict[str, int] = {}
        """Bytes of large answers and streamed texts, by the URLs or predictions that they came from."""
        self._hold: Hold | None = None
        self._counted = 0
        """Predictions that count against the key's limits."""
        self._put_off = False

    async def __aenter__(self) -> None:
        ON_BEGUN.set(self._bill.begun.append)
        asking.set(self._asking)
        HOLD_LARGE.set(self._asking.hold_large)

    async def __aexit__(self, *_: object) -> None:
        """Nothing is awaited here: a client that leaves cannot interrupt it."""
        record = self.record
        record.ended = time.monotonic()
        self._at = self._accounts.now() - record.seconds()
        ON_BEGUN.set(None)
        asking.set(None)
        HOLD_LARGE.set(None)
        record.runs = self._bill.runs()
        if open_ends := self._bill.without_run(record.runs):
            self._accounts.in_background(self._settle_later(open_ends))
        else:
            self._settle(self._bill.cost_of(record.runs))

    def log(self, method: str, client: str | None = None) -> None:
        """Writes the request's line in the log; `client` is its address, or that of the proxy before the gateway."""
        record = self.record
        if not record.endpoint or self._put_off:
            return
        line = AccessRecord(
            f"{method} {record.endpoint} {record.status}",
            request_id=record.request_id,
            model=record.model,
            key_id=self.caller.key_id,
            client=client,
            prediction_id=record.prediction_id,
            seconds=round(record.seconds(), 3),
            code="client_gone" if record.status == CLIENT_GONE else record.error_code,
        )
        access_logger.handle(line)

    def put_off(self) -> None:
        """It is asked anew later, as rows of batches are. Unless a prediction was made for it, nothing is written down:
        neither a usage row nor metrics nor a line in the log."""
        self._put_off = not self._bill.made()

    def failed(self, error: Exception) -> GatewayError:
        """The error that the client gets for a request that failed. An unexpected error goes to the log."""
        record = self.record
        if isinstance(error, APIError):
            failure = self._model_failed(error)
        elif isinstance(error, GatewayError):
            failure = error
        else:
            logger.error(
                "%s failed", record.endpoint, exc_info=error, extra=fields(request_id=record.request_id)
            )
            failure = unexpected()
        record.status, record.error_code = failure.status, failure.code
        let_go(error)
        return failure

    def _model_failed(self, error: APIError) -> GatewayError:
        self.record.upstream_model = error.model
        if error.prediction_id is not None:
            self.record.predictions[error.prediction_id] = error.model
        if isinstance(error, (NotAskedAgain, NoRoomForAnswer)):
            return error.refusal
        self.record.refused_by = "replicate"
        closed = self.backend.closed and isinstance(error, APIConnectionError)
        return stopping() if closed else from_upstream(error)

    def hold_body(self, size: int) -> None:
        """Counts bytes that the request holds until it is settled.

        Raises:
            GatewayError: 503, those in flight leave no room for it.
        """
        self._accounts.bodies.take(size, self.backend.config.general.max_bodies_mb * 1e6)
        self._body_bytes += size

    def _hold_answer(self, source: str, size: int, anew: bool) -> None:
        """Counts bytes of a large answer, which the client's request holds until it is settled."""
        if anew:
            self._accounts.answers.give_back(self._answers.pop(source, 0))
        try:
            self._accounts.answers.take_answer(size, self.backend.config.general.max_answers_mb * 1e6)
        except GatewayError as refusal:
            self._let_answers_go()  # at once, so that not all that come together are refused
            raise NoRoomForAnswer(refusal) from None
        self._answers[source] = self._answers.get(source, 0) + size

    def _let_answers_go(self) -> None:
        if self._answers:
            self._accounts.answers.give_back(sum(self._answers.values()))
            self._answers.clear()

    async def admit(self, demand: Demand) -> None:
        """Lets the request in, or raises the `GatewayError` that refuses it.

        One that turns out to need more than it was let in for is let in anew. If it is refused then, what Replicate
        was asked by then counts all the same.
        """
        self._bill.demand = demand
        key = self.caller.key
        if key is None or not key.limited:
            return
        if key.max_budget is not None:
            check_prices(demand.entries, self.backend)
        tokens, dollars = self._accounts.costs.expected(demand, self.backend.price_of)
        hold = Hold(key_id=key.id, predictions=demand.predictions, tokens=tokens, dollars=dollars)
        held, self._hold = self._hold, None
        if held is not None:
            self._accounts.give_back(held)
        try:
            await self._let_in(key, hold)
        except GatewayError:
            if held is not None and self._asking.kinds:
                await self._let_in(key, held.again())
            raise

    async def _let_in(self, key: Key, hold: Hold) -> None:
        await self._accounts.admit(key, hold)
        self._hold, self._counted = hold, hold.predictions

    @sends_nothing
    async def _count_again(self) -> None:
        """Counts what is asked for again before it is asked; raises `NotAskedAgain` if the budget has no room for it.

        Any attempt may fail, fit nothing or fall back: if all of that were reserved from the start, small limits
        would let few requests in at once.
        """
        key, hold = self.caller.key, self._hold
        if key is None or hold is None or len(self._bill.made()) <= self._counted:
            return
        try:
            await self._accounts.extend(key, hold, self._bill.again())
        except GatewayError as refusal:
            raise NotAskedAgain(refusal) from None
        self._counted += 1

    def answered_by(self, name: str) -> str:
        """The name of the model that answered: the client's own `name` for it, or that of a fallback."""
        entries = self._bill.demand.entries
        if len(entries) < 2:
            return name
        entry = self._bill.entry()
        return name if entry is None or entry.shown == entries[0].shown else entry.shown

    def priced(self, usage: Usage) -> PricedUsage:
        """The usage of the whole answer with what it cost; null if there is no price.

        The cost is of all that was asked of Replicate for it, also of what failed before another model answered.
        """
        return PricedUsage(**{**msgspec.structs.asdict(usage), "cost": self.cost()})

    def headers(self) -> dict[str, str]:
        """The header with the cost, by LiteLLM's name for it; errors have it too, if the cost is known by then."""
        runs = self._bill.runs()
        cost = self._bill.cost_of(runs) if runs else None
        return {} if cost is None else {"x-litellm-response-cost": f"{cost:.12g}"}

    async def _settle_later(self, open_ends: list[LivePrediction]) -> None:
        """Looks at the predictions whose end is not known, and settles the account by what it finds."""
        try:
            await self._bill.look_later(open_ends)
        finally:  # also if the process ends
            self._settle(self._bill.cost_with(open_ends))

    def cost(self) -> float | None:
        """Dollars for all that has run by now; None if a price is missing."""
        return self._bill.cost()

    def _settle(self, cost: float | None) -> None:
        accounts = self._accounts
        accounts.bodies.give_back(self._body_bytes)
        self._let_answers_go()
        self._bill.learn()
        hold = self._hold
        refused = not self._bill.begun and not self._asking.kinds  # on its way to Replicate
        if hold is not None and (refused or self._put_off):
            accounts.give_back(hold)
            hold = None
        if not self._put_off:
            self._write_down(cost, hold)
        # A connection that was opened for this request keeps the request's context, and with it this list: without
        # this, each connection of the pool would keep a prompt and its answer.
        self._bill.begun.clear()
        self._asking.settled()

    def _write_down(self, cost: float | None, hold: Hold | None) -> None:
        record = self.record
        _count(self._metrics, record)
        if record.model is None:
            return
        answered_by = self.answered_by(record.model)
        row = record.usage_row(
            at=self._at,
            key_id=self.caller.key_id,
            answered_by=None if answered_by == record.model else answered_by,
            predictions=len(self._bill.made()),
            cost=cost,
        )
        self._accounts.settle(row, hold)
        _count_usage(self._metrics, record, row)


def check_prices(entries: Sequence[ModelEntry], backend: Backend) -> None:
    """Raises a `GatewayError` if an entry has no price, so that a key's budget could not be counted."""
    for entry in entries:
        if backend.price_of(entry) is None:
            raise GatewayError(
                403,
                f"This key has a budget, and the gateway does not know what {entry.name!r} costs: its operator "
                "can give the price in model_info of its entry.",
                code="no_price",
            )


def _count(metrics: Metrics, record: Record) -> None:
    metrics.count(metrics.requests.labels(record.endpoint, record.model or "", str(record.status)))
    if record.status == 429:
        metrics.count(metrics.limited.labels(record.refused_by))


def _count_usage(metrics: Metrics, record: Record, row: UsageRow) -> None:
    model = record.model
    metrics.latency.labels(row.endpoint, model).observe(row.seconds)
    if record.first_text is not None:
        metrics.first_token.labels(model).observe(record.first_text - record.began)
    if record.runs:
        metrics.boot.labels(model).observe(row.boot_s)
    metrics.count(metrics.tokens.labels(model, "prompt"), row.prompt_tokens)
    metrics.count(metrics.tokens.labels(model, "completion"), row.completion_tokens)
    metrics.count(metrics.spend.labels(model), row.cost or 0.0)
