"""One account on Replicate as a key sees it: creates predictions, waits for them, looks up versions."""

from __future__ import annotations

from .bulk_poller import BulkPoller
from .creation import Creator
from .http import Http
from .limits import Slots
from .live import Live, LivePrediction
from .marks import Finder
from .poller import Poller
from .prediction_list import PredictionList
from .progress import Progress
from .protocol.predictions import Prediction
from .retry import RetryPolicy
from .server_clock import ServerClock
from .versions import LatestVersions


class Client:
    """One key's limits, predictions, and the community models whose version it has looked up."""

    def __init__(self, http: Http, live: Live, held: Slots) -> None:
        self.http = http
        clock = ServerClock()
        predictions = PredictionList(http, clock, live.background)
        self.versions = LatestVersions(http)
        self.create = Creator(http, live, Finder(predictions, clock), clock, held, self.versions).create
        self.poller = Poller(http, BulkPoller(http, predictions, clock, live.background))

    async def wait(self, attempt: LivePrediction, progress: Progress, policy: RetryPolicy) -> Prediction:
        """The prediction once it has ended, however long that takes: the caller sets the deadline."""
        prediction = attempt.prediction
        assert prediction is not None
        if not prediction.terminal:
            return attempt.saw(await self.poller.wait(prediction, progress, policy))
        if progress.watched:
            progress.saw(prediction)
        return prediction
