"""What one request made run on Replicate, and what that cost.

Replicate bills what ran: also predictions that failed, those whose answer did not fit, and those whose client left.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

import msgspec

from ...chat.answers import run_of, usage_of
from ...chat.outputs import output_text
from ...chat.responses import Run
from ...errors import APIError
from ...replicate.live import LivePrediction
from ...replicate.protocol.predictions import Prediction
from ..config.backend import Backend
from ..config.entries import ModelEntry
from ..config.prices import Price
from .costs import Costs, Demand
from .key_limits import Again
from .record import Record

_PAUSES = (0.0, 0.3, 0.7, 1.0, 2.0, 4.0)
"""Seconds before each look: a prediction that has not ended by itself is being cancelled meanwhile."""
_WHILE_IT_RUNS = (8.0, 15.0, 30.0, 60.0)
"""Further ones, if it is known and runs all the same: for two minutes it is tried to cancel it."""
_NOTHING = Demand(())


class Bill(msgspec.Struct, eq=False):
    """The bill of one request."""

    _backend: Backend
    _costs: Costs
    _record: Record
    demand: Demand = _NOTHING
    """What the request asks for; of no entries until that is known."""
    begun: list[LivePrediction] = []
    """All predictions that were begun for it, also those that failed."""
    _ended: dict[str, float] = {}
    """What predictions cost that had ended when others were asked for, by their ids."""
    _unanswered: set[str] = set()
    """The ids of those that gave no answer, or whose answer did not reach its client."""
    _counted: tuple[Sequence[Run] | None, float | None] = (None, None)
    """The runs that were counted last, and their cost: header, body and usage row ask for it."""

    def entry(self, prediction_id: str | None = None) -> ModelEntry | None:
        """The entry that answered, or that made the prediction: it may be a fallback, or another of the same name."""
        entries = self.demand.entries
        if len(entries) < 2:
            return entries[0] if entries else None
        model = self._record.predictions.get(prediction_id or "") or self._record.upstream_model
        return next((entry for entry in entries if entry.model == model), entries[0])

    def without_run(self, runs: Sequence[Run]) -> list[LivePrediction]:
        """The predictions that are in no run."""
        if len(runs) == len(self.begun) == 1:
            return []
        ended = {run.prediction_id for run in runs}
        # What failed on Replicate's side and was asked again is in the run of the attempt that did not.
        in_a_run = sum(run.attempts - 1 for run in runs)
        without = []
        for each in self.begun:
            seen = each.prediction
            if seen is not None and seen.status == "failed" and in_a_run and seen.id not in ended:
                in_a_run -= 1
            elif each.may_exist if seen is None else seen.id not in ended:
                without.append(each)
        return without

    def runs(self) -> Sequence[Run]:
        """What has run, as far as is known: predictions that answered, and those that ended without an answer."""
        runs = self._record.runs
        without = self.without_run(runs)
        if not without:
            return runs
        ended = [each for each in without if each.prediction and each.prediction.terminal]
        return [*runs, *map(self._run_of, ended)] if ended else runs

    def made(self) -> list[LivePrediction]:
        """The predictions that were made for it, or may have been: none that Replicate refused."""
        return [each for each in self.begun if each.may_exist or each.prediction is not None]

    def again(self) -> Again:
        """One more prediction, the last of those that were `made`: those whose end is not known are expected to take what
        each does that the request asks for."""
        demand = msgspec.structs.replace(self.demand, tries=1)
        tokens, dollars = self._costs.expected(demand, self._backend.price_of)
        expected = dollars / demand.predictions
        with_it = sum(self._known_cost(each, expected) for each in self.made())
        return Again(round(tokens / demand.predictions), with_it - expected, with_it)

    def _known_cost(self, made: LivePrediction, expected: float) -> float:
        if made.prediction is None or not made.prediction.terminal:
            return expected
        id = made.prediction.id
        if id not in self._ended:
            self._ended[id] = self._sum_of([self._run_of(made)]) or 0.0
        return self._ended[id]

    def cost(self, unknown: int = 0) -> float | None:
        """Dollars for all that has run by now, and the expected cost of `unknown` further predictions.

        None if a price is missing.
        """
        cost = self.cost_of(self.runs())
        return cost if cost is None or not unknown else cost + self._expected_of(unknown)

    def cost_of(self, runs: Sequence[Run]) -> float | None:
        """Dollars for these; None if a price is missing, be it that of the model that was asked for."""
        if not self._record.calling:
            return 0.0
        if runs is not self._counted[0]:
            self._counted = runs, self._sum_of(runs)
        return self._counted[1]

    async def look_later(self, open_ends: list[LivePrediction]) -> None:
        """Looks at predictions whose end is not known."""
        await asyncio.gather(*map(self._look_at, open_ends))

    def cost_with(self, open_ends: list[LivePrediction]) -> float | None:
        """The cost of all, with what is expected of those whose end is still not known."""
        record, unknown = self._record, 0
        for left in open_ends:
            if _may_run(left):
                unknown += 1
            elif left.prediction is not None:
                record.runs = (*record.runs, self._run_of(left))
        return self.cost(unknown)

    async def _look_at(self, left: LivePrediction) -> None:
        """Looks at a prediction until its end, or for a while; by each account that may have made it."""
        for pause in (*_PAUSES, *_WHILE_IT_RUNS):
            if pause in _WHILE_IT_RUNS and left.prediction is None:
                return
            await asyncio.sleep(pause)
            if _may_run(left) and left.prediction is not None:
                left.prediction = await self._seen(left, left.prediction)
            if not _may_run(left):
                return

    async def _seen(self, left: LivePrediction, prediction: Prediction) -> Prediction:
        """The prediction as it is now, or as it was where that cannot be asked."""
        for entry in self.demand.made(left.endpoint):
            with contextlib.suppress(APIError):
                return await self._backend.prediction(entry, prediction.id)
        return prediction

    def learn(self) -> None:
        """Remembers what each prediction took, for what the next requests are expected to take."""
        for run in self._record.runs:
            if (entry := self.entry(run.prediction_id)) is not None:
                self._costs.learn(entry, run, whole=run.prediction_id not in self._unanswered)

    def _price(self, prediction_id: str | None = None) -> Price | None:
        entry = self.entry(prediction_id)
        return None if entry is None else self._backend.price_of(entry)

    def _sum_of(self, runs: Sequence[Run]) -> float | None:
        if self._price() is None:
            return None
        cost = 0.0
        for run in runs:
            price = self._price(run.prediction_id)
            if price is None:
                return None
            cost += price.of_run(run)
        return cost

    def _expected_of(self, unknown: int) -> float:
        """Dollars that so many predictions are expected to take of which nothing is known but what they streamed."""
        entry, price = self.entry(), self._price()
        assert entry is not None and price is not None, "what has a cost has a price"
        by_it = msgspec.structs.replace(self.demand, entries=[entry], tries=1)
        _, expected = self._costs.expected(by_it, lambda _: price)
        return max(expected * unknown / by_it.predictions, price.of_tokens(0, self._record.pieces))

    def _run_of(self, ended: LivePrediction) -> Run:
        """What a prediction did that gave no answer, or whose answer did not reach its client."""
        prediction, demand = ended.prediction, self.demand
        assert prediction is not None, "only those that are known have ended"
        self._unanswered.add(prediction.id)
        self._record.predictions.setdefault(prediction.id, demand.made(ended.endpoint)[0].model)
        text = output_text(prediction.output) if demand.writes else ""
        shown = prediction if demand.writes else msgspec.structs.replace(prediction, output=None)
        return run_of([prediction], usage_of(shown, ended.input, text))


def _may_run(left: LivePrediction) -> bool:
    """Whether it may run, or may have run, to an end that nobody has seen."""
    return left.may_exist if left.prediction is None else not left.prediction.terminal
