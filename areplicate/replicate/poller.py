"""Waiting for a prediction to end."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import anyio
import backoff

from ..errors import APIError, PredictionFailedError
from .bulk_poller import BulkPoller
from .http import Http
from .progress import Progress
from .protocol.predictions import Prediction, decoder_of
from .retry import AFTER_REFUSALS, RetryPolicy, growing, is_transient

_MANY = 32
"""Predictions that are looked at one by one; those that come on top are watched through the list."""


def poll_waits(waited: float = 0.0) -> Iterator[float]:
    """Seconds between looks at one prediction that has been waited for already for `waited` seconds.

    They grow by two fifths each time, to nine and a half seconds, so that lateness stays in proportion
    to the time already waited; a quarter of each is drawn, so that many callers spread out. Chosen over
    recorded runs of public models: docs/poll-schedule.md.
    """
    first = max(0.1, waited / 20)
    return (
        wait * 3 / 4 + backoff.full_jitter(wait / 4) for wait in growing(base=1.4, factor=first, longest=9.5)
    )


class Poller:
    """Watches the predictions of one account: a few each by itself, many through the list."""

    def __init__(self, http: Http, bulk: BulkPoller) -> None:
        self._http = http
        self._bulk = bulk
        self._alone = 0

    async def wait(self, prediction: Prediction, progress: Progress, policy: RetryPolicy) -> Prediction:
        """The prediction once it has ended, however long that takes: the caller sets the deadline."""
        progress.saw(prediction)
        many = self._alone >= _MANY
        while not prediction.terminal:
            if many:
                prediction = await self._bulk.wait(prediction, progress)
            if not prediction.terminal:
                prediction = await self._wait_alone(prediction, progress, policy, once=many)
        return prediction

    async def _wait_alone(
        self, prediction: Prediction, progress: Progress, policy: RetryPolicy, *, once: bool
    ) -> Prediction:
        """Looks until it is terminal, ever less often; with `once`, a single time and at once."""
        waits = poll_waits(progress.seconds())
        self._alone += 1
        try:
            while not prediction.terminal:
                if not once:
                    await anyio.sleep(next(waits))
                prediction = await self.look(prediction.id, policy)
                progress.saw(prediction)
                if once:
                    break
            return prediction
        finally:
            self._alone -= 1

    async def look(self, prediction_id: str, policy: RetryPolicy) -> Prediction:
        """The prediction as it is now."""
        path, decode = f"/predictions/{quote(prediction_id, safe='')}", decoder_of(prediction_id)
        for wait in AFTER_REFUSALS[: policy.retries]:
            try:
                return await self._http.read(path, policy, decode)
            except APIError as error:
                if is_transient(error) or isinstance(error, PredictionFailedError):
                    raise  # it was tried often enough, or has come and is too large
            await anyio.sleep(wait)
        return await self._http.read(path, policy, decode)
